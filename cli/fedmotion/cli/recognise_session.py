"""What `fedmotion recognise` does beside its agent: makes the outputs, tells of gestures, and scores them."""

import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec
from rich.console import Console

from fedmotion.cli.agent_program import ToldEvent, tell_people, tell_scripts
from fedmotion.cli.recognise_view import Rate, View, ViewState
from fedmotion.host.agent import Agent
from fedmotion.host.gesture_commands import GestureCommands
from fedmotion.host.gesture_output import Gesture, GestureOutput, Verdict
from fedmotion.host.gesture_teller import GestureTeller
from fedmotion.host.home_assistant import HomeAssistant, home_door
from fedmotion.host.home_assistant_discovery import node_of
from fedmotion.host.imu_stream import StreamCounters
from fedmotion.host.marks import Mark
from fedmotion.host.mounting_file import mounting_of
from fedmotion.host.profile import Profile
from fedmotion.host.recognise_configuration import RecogniseConfiguration
from fedmotion.host.recogniser import Decision, Recognition
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.stream_score import StreamScore, score_stream
from fedmotion.protocol.serial_frames import Hello

State = Callable[[], tuple[str, bool]]
"""An output in words, and whether it is well."""


class Outputs:
    """The outputs that a configuration asks for; what serves is ended where a later one cannot be made."""

    def __init__(self, configuration: RecogniseConfiguration, profile: Profile) -> None:
        self.states: list[State] = []
        self.lines: list[str] = []
        self._made: list[GestureOutput] = []
        with ExitStack() as stack:
            self._stack = stack
            if configuration.on:
                self._add_commands(configuration)
            if configuration.why:
                self._add_why(configuration, profile)
            if configuration.http:
                self._add_http(configuration, profile)
            if configuration.home_assistant:
                self._add_home_assistant(configuration, profile)
            self._stack = stack.pop_all()

    @property
    def all(self) -> Sequence[GestureOutput]:
        """Them."""
        return tuple(self._made)

    def close(self) -> None:
        """End what serves; the outputs themselves are their teller's to close."""
        self._stack.close()

    def _add_commands(self, configuration: RecogniseConfiguration) -> None:
        self._made.append(
            GestureCommands(
                configuration.rules(),
                max_running=configuration.max_commands,
                timeout_s=configuration.command_timeout_s,
            )
        )

    def _add_why(self, configuration: RecogniseConfiguration, profile: Profile) -> None:
        # The pictures' modules are for those who want pictures.
        from fedmotion.host.why import OwnTakes  # noqa: PLC0415 - see above
        from fedmotion.host.why_output import WhyOutput  # noqa: PLC0415 - see above

        takes = OwnTakes(profile.recordings)
        self._made.append(WhyOutput(Path(configuration.why), takes, least=configuration.min_probability))

    def _add_http(self, configuration: RecogniseConfiguration, profile: Profile) -> None:
        # http.server takes a tenth of a second and some MB that others do without.
        from fedmotion.host.gesture_events import GestureEvents  # noqa: PLC0415 - see above
        from fedmotion.host.http import RecogniserServer  # noqa: PLC0415 - see above

        events = GestureEvents()
        server = RecogniserServer(
            configuration.web_address(),
            events,
            mounting_of(profile.turn),
            token=configuration.token(),
            version=_version(),
        )
        server.start()
        self._stack.callback(server.close)
        self._made.append(events)
        self.lines.append(f"HTTP at {server.url}")
        self.states.append(lambda: (f"HTTP at {server.url}", True))

    def _add_home_assistant(self, configuration: RecogniseConfiguration, profile: Profile) -> None:
        node = configuration.node(node_of(profile.directory.resolve().name, socket.gethostname()), _version())
        address = configuration.address()
        assistant = HomeAssistant(node, home_door(address, node))
        self._made.append(assistant)
        self.lines.append(f"Home Assistant over {address} as {node.node_id}")
        self.states.append(
            lambda: (
                f"Home Assistant over {address} as {node.node_id}"
                + ("" if assistant.is_connected else ": not reached"),
                assistant.is_connected,
            )
        )


class Session:
    """Hears what the agent does and tells of gestures; see `agent_program.Listener`.

    Parameters
    ----------
    marks
        What is performed, to be scored when the board is lost or the program ends; None scores nothing.
    """

    def __init__(
        self,
        configuration: RecogniseConfiguration,
        outputs: Outputs,
        *,
        is_json: bool,
        is_view: bool,
        marks: Sequence[Mark] | None = None,
    ) -> None:
        self.told: list[Gesture] = []
        self._marks = marks
        self._is_json = is_json
        self._outputs = outputs
        self._teller = GestureTeller(configuration.filter(), outputs.all, self._on_verdict)
        self._agent: Agent | None = None
        self._rate = Rate()
        self._is_board_there = False
        self._view = View(Console(), ViewState(port=configuration.port)) if is_view else None

    def begin(self, agent: Agent) -> None:
        """Know the agent, and the model that it has already."""
        self._agent = agent
        if self._view is None:
            for line in self._outputs.lines:
                click.echo(line, err=True)
        else:
            self._view.start()
        if agent.recogniser.model is not None:
            self._use(agent.recogniser.model)

    def tell(self, event: ToldEvent) -> None:
        """Pass on what is not a gesture."""
        if isinstance(event, Recognition):
            # Told by `decide`, where it is to be told.
            return
        if isinstance(event, LoadedModel):
            self._use(event)
        is_end = isinstance(event, StreamCounters) and self._marks is not None
        if is_end and self._agent is not None:
            self._agent.stop()
        if self._is_json:
            tell_scripts(event)
        elif not is_end and (self._view is None or not isinstance(event, LoadedModel)):
            # The picture shows the model itself; the others come above it.
            tell_people(event)

    def decide(self, decision: Decision) -> None:
        """Tell of a decision, or not."""
        self._teller.decide(decision)

    def tick(self) -> None:
        """Let outputs do what is due, and the picture follow."""
        if self._agent is None:
            return
        board = self._agent.board
        hello = None if board is None or not board.is_open else board.stream.hello
        self._teller.tick(is_board_there=hello is not None)
        if hello is not None and not self._is_board_there:
            self._on_found(hello)
        self._is_board_there = hello is not None
        if self._view is None or board is None:
            return
        state = self._view.state
        state.board = "" if hello is None else hello.board
        state.trouble = board.stream.complaint or board.last_reason
        state.rate_hz = self._rate(board.stream.counters.n_samples, self._view.now_s)
        state.n_by_verdict = dict(self._teller.filter.n_by_verdict)
        state.outputs = [state_of() for state_of in self._outputs.states]
        self._view.tick()

    def close(self) -> None:
        """End the outputs and leave the last picture."""
        self._teller.close()
        self._outputs.close()
        if self._view is not None and self._agent is not None:
            self._view.stop()

    def score(self) -> StreamScore | None:
        """Return the score where there are marks.

        Raises
        ------
        ValueError
            If nothing was looked at.
        """
        if self._marks is None or self._agent is None:
            return None
        recogniser = self._agent.recogniser
        return score_stream(
            self._marks, self.told, span_us=recogniser.span_us or (0, 0), seen_us=recogniser.seen_us
        )

    def _use(self, model: LoadedModel) -> None:
        self._teller.use(model)
        if self._view is not None:
            self._view.state.model = model

    def _on_found(self, hello: Hello) -> None:
        if self._is_json:
            told = {"event": "found", "board": hello.board, "board_id": f"{hello.board_id:016x}"}
            click.echo(msgspec.json.encode(told))
        elif self._view is None:
            click.echo(f"the board is here: {hello.board}", err=True)

    def _on_verdict(self, decision: Decision, verdict: Verdict, gesture: Gesture | None) -> None:
        if gesture is not None and self._marks is not None:
            self.told.append(gesture)
        if self._view is not None:
            self._view.state.last = (decision, verdict)
            if gesture is not None:
                self._view.told(gesture)
        elif self._is_json:
            echo_verdict_as_json(decision, verdict, gesture)
        elif gesture is not None:
            echo_gesture(gesture)


def echo_gesture(gesture: Gesture) -> None:
    """Write one line for people."""
    click.echo(f"{gesture.start_us / 1e6:9.2f} s  {gesture.activity}  ({gesture.probability:.0%})")


def echo_verdict_as_json(decision: Decision, verdict: Verdict, gesture: Gesture | None) -> None:
    """Write one JSON object for a gesture that is told or rejected; nothing for other movement."""
    if gesture is not None:
        told = {"event": "recognised", **msgspec.to_builtins(gesture)}
    elif verdict in {"unlikely", "repeated"}:
        told = {
            "event": "rejected",
            "why": verdict,
            "activity": decision.activity,
            "start_us": decision.start_us,
            "stop_us": decision.stop_us,
            "probability": max(decision.probabilities),
            "round_id": decision.model.round_id,
        }
    else:
        return
    click.echo(msgspec.json.encode(told))


def can_draw(*, is_json: bool) -> bool:
    """Tell whether standard output is a terminal that a picture can be kept up to date on."""
    return not is_json and sys.stdout.isatty() and not Console().is_dumb_terminal


def _version() -> str:
    # Asks the installed packages, which takes longer than all the rest of a start.
    from importlib.metadata import version  # noqa: PLC0415 - see above

    return version("fedmotion")
