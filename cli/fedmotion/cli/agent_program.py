"""The agent as a program: its logging, its signals, and what it tells people and scripts."""

import logging
import signal
from pathlib import Path
from typing import Protocol

import click
import msgspec

from fedmotion.cli.benefit_table import in_a_sentence
from fedmotion.cli.correction_input import Poll, corrections, corrections_by_mqtt
from fedmotion.host.agent import Agent
from fedmotion.host.benefit import Benefit
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.corrector import Corrected, NotCorrected, Told
from fedmotion.host.gesture_book import OwnProposal
from fedmotion.host.gesture_messenger import GestureNews
from fedmotion.host.imu_stream import StreamCounters
from fedmotion.host.marks import by_marks, read_marks
from fedmotion.host.own_model import in_words
from fedmotion.host.profile import find_profile
from fedmotion.host.recogniser import Decision, Recognition
from fedmotion.host.recording_store import Recording
from fedmotion.host.released_model import LoadedModel
from fedmotion.models.specification import pca_svm
from fedmotion.protocol.identity import OTHER
from fedmotion.protocol.messages import Gesture

FINDING = pca_svm(("gesture", OTHER))
"""How movements are found for recordings, before any federation says what is to be learned."""


class Listener(Protocol):
    """One that hears what an agent does, in place of the lines that are written else."""

    def begin(self, agent: Agent) -> None:
        """Know the agent, which has not started yet."""

    def tell(self, event: "ToldEvent") -> None:
        """Take what a person or a script is told else."""

    def decide(self, decision: Decision) -> None:
        """Take what the model made of a movement."""

    def tick(self) -> None:
        """Do what is due; called several times a second."""


def run_agent(configuration: AgentConfiguration, *, is_json: bool, listener: Listener | None = None) -> None:
    """Run one agent until SIGINT or SIGTERM; raises ValueError or ClickException where it cannot start."""
    logging.basicConfig(
        level=configuration.logging_level if not is_json else logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    tell = tell_scripts if is_json else tell_people
    if listener is not None:
        tell = listener.tell
    labelling = None
    if configuration.marks:
        marks = read_marks(Path(configuration.marks))
        labelling = by_marks(marks, is_other_recorded=configuration.is_other_recorded)
    polls: list[Poll] = []

    def on_tick() -> None:
        for poll in polls:
            poll()
        if listener is not None:
            listener.tick()

    profile = find_profile(configuration.profile)
    agent = Agent(
        profile,
        configuration,
        finding=FINDING,
        labelling=labelling,
        on_recognition=tell,
        on_recording=tell,
        on_released=tell,
        on_lost=tell,
        on_told=tell,
        on_benefit=tell,
        on_gesture_news=tell,
        on_tick=on_tick,
        on_decision=_ignore if listener is None else listener.decide,
    )
    if listener is not None:
        listener.begin(agent)
    if not is_json:
        click.echo(_what_recognises(agent.recogniser.model), err=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: agent.stop())

    def on_trouble(why: str) -> None:
        tell(NotCorrected(why))

    with (
        corrections(agent.queue.put, agent.activities, on_trouble) as poll,
        corrections_by_mqtt(configuration, profile, agent.queue.put, on_trouble) as poll_mqtt,
    ):
        polls += [poll, poll_mqtt]
        agent.run()


def _what_recognises(model: LoadedModel | None) -> str:
    if model is None:
        return "no model yet: gestures are recognised once the federation has released its first"
    return f"recognising by the {in_words(model)}"


def _ignore(_decision: Decision) -> None:
    return


ToldEvent = Recognition | Recording | LoadedModel | StreamCounters | Told | Benefit | GestureNews


def tell_people(event: ToldEvent) -> None:
    """Write one line."""
    match event:
        case Recognition():
            click.echo(f"{event.start_us / 1e6:9.2f} s  {event.activity}  ({event.probability:.0%})")
        case Recording():
            click.echo(f"recorded {event.label}, {(event.stop_us - event.start_us) / 1e6:.1f} s")
        case LoadedModel():
            click.echo(f"{in_words(event)} in use: {', '.join(event.specification.activities)}")
        case StreamCounters():
            click.echo(f"the board is gone after {event.n_frames} frames; waiting for it", err=True)
        case Benefit():
            click.echo(in_a_sentence(event))
        case Corrected():
            click.echo(event.sentence)
        case NotCorrected():
            click.echo(event.sentence, err=True)
        case OwnProposal() | Gesture():
            return  # the log says it


def tell_scripts(event: ToldEvent) -> None:
    """Write one JSON object a line; `event` says which."""
    match event:
        case Recognition():
            told = {"event": "recognised", **msgspec.to_builtins(event)}
        case Recording():
            told = {
                "event": "recorded",
                "label": event.label,
                "start_us": event.start_us,
                "stop_us": event.stop_us,
            }
        case LoadedModel():
            told = {
                "event": "released",
                "round_id": event.round_id,
                "is_personal": event.is_personal,
                "activities": event.specification.activities,
            }
        case StreamCounters():
            told = {"event": "lost", **msgspec.to_builtins(event)}
        case Benefit():
            told = {"event": "benefit", **msgspec.to_builtins(event)}
        case Corrected():
            told = {"event": "corrected", **msgspec.to_builtins(event)}
        case NotCorrected():
            told = {"event": "not corrected", **msgspec.to_builtins(event)}
        case OwnProposal():
            told = {"event": "proposal", "name": event.name, "state": event.state, "why": event.why}
        case Gesture():
            told = {"event": "gesture added", "name": event.name, "sentence": event.sentence}
    click.echo(msgspec.json.encode(told))
