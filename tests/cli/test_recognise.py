"""`fedmotion recognise` as a maker meets it: real processes, boards at the end of a line, a real broker."""

import http.client
import io
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import click
import numpy as np
import pytest
from rich.console import Console

from fedmotion.boards.script import Script, person_script
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.broker.accounts import Account, write_accounts
from fedmotion.broker.door import Event, Received
from fedmotion.broker.embedded import RunningBroker, start_broker
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.cli.recognise_view import Rate, View, ViewState, bar, render
from fedmotion.cli.score_table import in_words
from fedmotion.host.gesture_output import GestureFilter
from fedmotion.host.imu_stream import ImuBlock, ImuStream
from fedmotion.host.marks import Mark, by_marks
from fedmotion.host.own_model import keep_own_model, own_model
from fedmotion.host.profile import Profile
from fedmotion.host.recogniser import Decision
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.stream_score import StreamScore
from fedmotion.models.family import family
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import pca_svm
from fedmotion.models.statistics import basis
from fedmotion.models.windows import window_at
from fedmotion.protocol.identity import Placement
from fedmotion.protocol.messages import TrainSettings
from fedmotion.simulation.programs import Program

pytestmark = pytest.mark.timeout(120)

WAIT_S = 30.0
SPECIFICATION = pca_svm(("swipe_left", "swipe_right", "other"), n_components=8)
PERSON = 3
COUNTS = "swipe_left=4,swipe_right=4,other=4"


@pytest.fixture(scope="module")
def script() -> Script:
    return person_script(PERSON, {"swipe_left": 10, "swipe_right": 10, "other": 10})


@pytest.fixture(scope="module")
def stream(script: Script) -> ImuBlock:
    node = SimulatedNode(VirtualMpu6050(script.motion, seed=1), board_id=77, seed=1)
    imu = ImuStream(node.receive)
    imu.opened(0.0)
    (block,) = imu.feed(node.advance(script.marks[-1].stop_us + 3_000_000), 0.0)
    return block


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory, script: Script, stream: ImuBlock) -> Profile:
    """A profile without a federation: recordings of one person and a model of its own that learned them."""
    made = Profile(tmp_path_factory.mktemp("profiles") / "anna")
    made.create()
    marks = [Mark(mark.label, mark.start_us, mark.stop_us) for mark in script.marks]
    recorder = Recorder(SPECIFICATION, by_marks(marks), person="ada", placement=Placement("right", "wrist"))
    takes = recorder.feed(stream) + recorder.flush()
    with RecordingStore(made.recordings, clock=lambda: 0.0) as store:
        for take in takes:
            store.add(take)
    windows = np.stack(
        [window_at(SPECIFICATION, each.t_us, each.samples(), each.centre_us) for each in takes]
    )
    labels = np.array([SPECIFICATION.activities.index(each.label) for each in takes])
    its_family = family("pca_svm")
    parameters = {
        **initial_parameters(SPECIFICATION),
        **basis(SPECIFICATION, its_family.moments(SPECIFICATION, windows)),
    }
    trained = its_family.train(
        SPECIFICATION, parameters, windows, labels, TrainSettings(n_epochs=40, seed=1)
    ).trained
    keep_own_model(made, own_model(SPECIFICATION, {**parameters, **trained}), 0.0)
    return made


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    with ExitStack() as stack:

        def started(*arguments: object) -> Program:
            words = [str(each) for each in arguments]
            return stack.enter_context(
                Program(f"{words[0]}-{len(list(tmp_path.iterdir()))}", words, tmp_path)
            )

        yield started


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fedmotion.cli", *(str(each) for each in arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def board(start: Callable[..., Program], marks: Path, *more: str) -> str:
    options = ("--person", PERSON, "--counts", COUNTS, "--seed", 5, "--marks", marks, *more)
    return start("sim-board", *options).require_line(WAIT_S)


def events_of(program: Program) -> list[dict[str, object]]:
    return [json.loads(line) for line in program.lines(WAIT_S)]


def test_gestures_run_commands_are_told_and_scored_against_the_board_s_marks(
    tmp_path: Path, profile: Profile, start: Callable[..., Program]
) -> None:
    marks = tmp_path / "marks.json"
    address = board(start, marks, "--speed", "0", "--exit-at-end")
    program = start(
        *("recognise", "--profile", profile.directory, "--port", address, "--json", "--score", marks),
        *("--shell", "--max-commands", 64, "--on", f"swipe_left=echo $FEDMOTION_NUMBER >> {tmp_path}/left"),
    )
    events = events_of(program)
    program.wait(WAIT_S)
    performed = [each["label"] for each in json.loads(marks.read_text()) if each["label"] != "other"]
    told = [each for each in events if each["event"] == "recognised"]
    assert [each["activity"] for each in told] == performed
    assert [each["number"] for each in told] == [1, 2, 3, 4, 5, 6, 7, 8]
    first = told[0]
    assert first["round_id"] == 0
    assert [each["board"] for each in events if each["event"] == "found"] == ["simulated"]
    assert first["start_us"] < first["stop_us"] < first["decided_us"]  # type: ignore[operator]
    assert list(first["probabilities"]) == ["swipe_left", "swipe_right", "other"]  # type: ignore[call-overload]
    assert [each["event"] for each in events[-2:]] == ["lost", "score"]
    score = events[-1]
    counted = {name: score[name] for name in ("n_performed", "n_found", "n_missed", "n_false_alarms")}
    assert counted == {"n_performed": 8, "n_found": 8, "n_missed": 0, "n_false_alarms": 0}
    assert 0 < score["delay_median_s"] <= score["delay_p95_s"] < 1.5  # type: ignore[operator]
    numbers = sorted(int(line) for line in (tmp_path / "left").read_text().split())
    assert numbers == [each["number"] for each in told if each["activity"] == "swipe_left"]


def test_unlikely_and_repeated_gestures_are_rejected_and_scripts_hear_why(
    tmp_path: Path, profile: Profile, start: Callable[..., Program]
) -> None:
    address = board(start, tmp_path / "marks.json", "--speed", "0", "--exit-at-end")
    options = ("--quiet-s", 600, "--quiet", "swipe_right=0", "--score", tmp_path / "marks.json")
    program = start("recognise", "--profile", profile.directory, "--port", address, "--json", *options)
    events = events_of(program)
    told = [each["activity"] for each in events if each["event"] == "recognised"]
    assert sorted(told) == ["swipe_left", *["swipe_right"] * 4]  # type: ignore[type-var]
    rejected = [(each["why"], each["activity"]) for each in events if each["event"] == "rejected"]
    assert rejected == [("repeated", "swipe_left")] * 3


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[RunningBroker]:
    directory = tmp_path / "broker"
    write_accounts(directory, [Account("home", "of-home", "aggregator", "home")])
    with start_broker(directory, prefer="mosquitto") as running:
        (directory / "fedmotion.acl").write_text("user home\ntopic readwrite #\n")
        running._process.send_signal(signal.SIGHUP)  # type: ignore[union-attr]
        yield running


def test_one_that_is_killed_is_offline_in_home_assistant_and_answers_http_until_then(
    tmp_path: Path, profile: Profile, start: Callable[..., Program], mosquitto: RunningBroker
) -> None:
    (tmp_path / "password").write_text("of-home\n")
    address = board(start, tmp_path / "marks.json", "--speed", "4")
    heard: queue.SimpleQueue[Event] = queue.SimpleQueue()
    assistant = PahoDoor(mosquitto.address("home", "of-home"), name="assistant", on_event=heard.put)
    assistant.subscribe("homeassistant/#", "fedmotion/gestures/#")
    assistant.start()
    try:
        program = start(
            *("recognise", "--profile", profile.directory, "--port", address, "--json", "--http", "0"),
            *("--home-assistant", f"127.0.0.1:{mosquitto.port}", "--home-assistant-user", "home"),
            *("--home-assistant-password-file", tmp_path / "password", "--home-assistant-node", "anna"),
        )
        messages: list[tuple[str, bytes]] = []

        def hear(topic: str, payload: bytes) -> None:
            until_s = time.monotonic() + WAIT_S
            while (topic, payload) not in messages:
                event = heard.get(timeout=max(until_s - time.monotonic(), 0.01))
                if isinstance(event, Received):
                    messages.append((event.topic, event.payload))

        availability = "fedmotion/gestures/anna/availability"
        hear(availability, b"online")
        assert json.loads(program.require_line(WAIT_S))["event"] == "found"
        first = json.loads(program.require_line(WAIT_S))
        hear("fedmotion/gestures/anna/trigger", first["activity"].encode())
        configured = [topic for topic, _ in messages if topic.endswith("/config")]
        assert "homeassistant/device_automation/anna/swipe_left/config" in configured
        (url,) = [
            line for line in program.log_path.read_text().splitlines() if line.startswith("HTTP at http://")
        ]
        connection = http.client.HTTPConnection(url.rpartition("//")[2].rstrip("/"), timeout=WAIT_S)
        connection.request("GET", "/v1/last")
        last = json.loads(connection.getresponse().read())["last"]
        connection.close()
        assert last["number"] >= 1
        messages.clear()
        os.kill(program.pid, signal.SIGKILL)
        hear(availability, b"offline")
    finally:
        assistant.close()


def continuous(path: Path, stream: ImuBlock) -> Path:
    columns = np.array(["t_us", "ax", "ay", "az", "gx", "gy", "gz"])
    data = np.column_stack([stream.t_us.astype(np.float64), stream.samples.astype(np.float64)])
    np.savez(path, data=data, offsets=np.array([0, len(data)]), label=np.array(["day"]), columns=columns)
    return path


def test_a_recorded_stream_is_scored_without_a_board(
    tmp_path: Path, profile: Profile, script: Script, stream: ImuBlock
) -> None:
    file = continuous(tmp_path / "day.npz", stream)
    (tmp_path / "marks.json").write_text(script.marks_json())
    done = run(
        *("recognise", "--profile", profile.directory, "--file", file, "--score", tmp_path / "marks.json")
    )
    assert (done.returncode, done.stderr) == (0, "recognising by the own model\n")
    lines = done.stdout.splitlines()
    assert sum("swipe_left  (" in line for line in lines) == 10
    (row,) = [line.split() for line in lines if line.lstrip().startswith("all ")]
    assert row[:7] == ["all", "20", "20", "(100%)", "0", "0", "0"]
    assert "0.0 false alarms an hour; decided 0." in done.stdout


def test_why_draws_one_of_the_profile_s_recordings(tmp_path: Path, profile: Profile) -> None:
    done = run("recognise", "--profile", profile.directory, "--take", 1, "--why", tmp_path / "why.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert "recording 1, performed as " in done.stdout
    assert "; nearest is recording " in done.stdout
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")


def test_keys_come_from_a_file_too_and_a_wrong_one_is_named(tmp_path: Path, profile: Profile) -> None:
    file = tmp_path / "recognise.toml"
    file.write_text(f'profile = "{profile.directory}"\non = ["wave=no-such-program"]\n')
    done = run("recognise", "--config", file, "--port", "socket://127.0.0.1:1")
    assert done.returncode == 2
    assert "the command of wave begins with a program that can be run, got 'no-such-program'" in done.stderr
    file.write_text("quiet_a = 2\n")
    done = run("recognise", "--config", file)
    assert "there is no key 'quiet_a': did you mean 'quiet_s'?" in done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--min-probability", "2"), "min_probability"),
        (("--quiet", "wave"), "a quiet time is GESTURE=SECONDS, got 'wave'"),
        (("--http", "0.0.0.0:0"), "others can reach 0.0.0.0: serve there with --http-token-file"),
        (("--http", "x:y"), "--http is PORT or HOST:PORT"),
        (("--home-assistant", "mqtt://ha"), "Home Assistant's broker is HOST or HOST:PORT"),
        (("--home-assistant-user", "me"), "needs home_assistant, its HOST[:PORT]"),
        (("--why", "why.svg"), "--why is a folder, or a file that ends in .png"),
        (("--score", "absent.json", "--port", "socket://127.0.0.1:1"), "absent.json cannot be read"),
        (("--take", "1"), "--take is one of --file, or with --why one of the profile's recordings"),
        (("--take", "99999", "--why", "why.png"), "has no recording 99999"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    profile: Profile, options: tuple[str, ...], sentence: str
) -> None:
    done = run("recognise", "--profile", profile.directory, *options)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return LoadedModel(UUID(int=1), 12, bytes(32), SPECIFICATION, {})


def decided(model: LoadedModel, activity: str, probabilities: tuple[float, ...]) -> Decision:
    return Decision(
        activity, probabilities, 4_900_000, 6_100_000, 6_500_000, np.zeros((96, 6), np.float32), model
    )


def shown(state: ViewState, now_s: float, width: int = 72) -> str:
    console = Console(width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(render(state, now_s, width))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_the_view_shows_the_last_gestures_the_last_movement_and_what_is_well(model: LoadedModel) -> None:
    chosen = GestureFilter()
    state = ViewState(port="/dev/ttyACM0", board="arduino-uno", rate_hz=100.2, model=model)
    for activity, probabilities, told_s in (
        ("swipe_left", (0.75, 0.0, 0.25), 10.0),
        ("swipe_right", (0.0, 0.5, 0.5), 75.0),
    ):
        last = decided(model, activity, probabilities)
        verdict, gesture = chosen.judge(last)
        assert gesture is not None
        state.told.append((gesture, told_s))
        state.last = (last, verdict)
    state.n_by_verdict = dict(chosen.n_by_verdict)
    state.outputs = [("Home Assistant over ha:1883 as anna: not reached", False)]
    assert shown(state, 75.4) == (
        "● arduino-uno at /dev/ttyACM0, 100 samples a second\n"
        "● model of round 12: swipe_left, swipe_right\n"
        "\n"
        "swipe_right  ███████████              50%  now\n"
        "swipe_left   ████████████████▌        75%  1 min ago\n"
        "\n"
        "the last movement, 1.2 s: told\n"
        "  swipe_left                             0%\n"
        "> swipe_right  ███████████              50%\n"
        "  other        ███████████              50%\n"
        "\n"
        "2 told, 0 too unlikely, 0 told just before, 0 no gesture\n"
        "○ Home Assistant over ha:1883 as anna: not reached\n"
        "Ctrl-C ends"
    )


def test_the_view_says_what_it_waits_for_and_fits_a_narrow_terminal(model: LoadedModel) -> None:
    state = ViewState(port="/dev/ttyACM0")
    assert shown(state, 0.0).splitlines()[:4] == [
        "○ waiting for /dev/ttyACM0",
        "○ no model yet",
        "",
        "no gesture yet: perform one and rest",
    ]
    state.model = model
    state.last = (decided(model, "other", (0.1, 0.1, 0.8)), "other")
    assert max(len(line) for line in shown(state, 0.0, 40).splitlines()) <= 40


def test_what_others_say_comes_above_the_view_and_streams_are_as_before_in_the_end() -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, color_system=None, width=60, legacy_windows=False)
    before = (sys.stdout, sys.stderr)
    view = View(console, ViewState(port="/dev/ttyACM0"), clock=itertools.count().__next__)
    view.start()
    view.tick()
    click.echo("kept as wave", err=True)
    click.echo("recorded wave")
    view.tick()
    view.stop()
    assert (sys.stdout, sys.stderr) == before
    said = terminal.getvalue()
    for text in ("kept as wave", "recorded wave"):
        # The picture is drawn again below it.
        assert "waiting for /dev/ttyACM0" in said[: said.index(text)]
        assert "waiting for /dev/ttyACM0" in said[said.index(text) :]


def test_a_bar_is_filled_in_eighths_of_a_cell() -> None:
    assert [bar(share, 4) for share in (-1, 0, 1 / 32, 0.5, 0.99, 1, 7)] == [
        "    ",
        "    ",
        "▏   ",
        "██  ",
        "████",
        "████",
        "████",
    ]


def test_the_rate_is_that_of_the_last_two_seconds() -> None:
    rate = Rate()
    assert rate(0, 0.0) == 0.0
    assert rate(100, 1.0) == 100.0
    # 50 Hz from then on: the first second is forgotten.
    assert [rate(100 + 50 * second, 1.0 + second) for second in (1, 2, 3)] == [75.0, 50.0, 50.0]


def test_a_score_s_sentence_leaves_nothing_out() -> None:
    score = StreamScore(90.0, 2, 1, 0, 1, 1, 40.0, 0.5, None, 3, ())
    assert in_words(score) == (
        "1.5 minutes, 40.0 false alarms an hour; decided 0.50 s (median) and - (95 %) after the end; "
        "3 marks were not seen whole and do not count"
    )
