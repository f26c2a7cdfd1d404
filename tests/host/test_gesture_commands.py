"""Commands that gestures start: real processes, bounded in number and time."""

import json
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fedmotion.host.gesture_commands import GestureCommands, Rule, parse_rules
from fedmotion.host.gesture_output import Gesture

WAIT_S = 20.0


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def gesture(activity: str = "swipe_left", number: int = 1) -> Gesture:
    return Gesture(
        number=number,
        activity=activity,
        probability=0.93333,
        start_us=1_000_000,
        stop_us=1_900_000,
        decided_us=2_300_000,
        round_id=5,
        probabilities={activity: 0.93333, "other": 0.06667},
    )


def wait_until(commands: GestureCommands, is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until_s
        commands.tick()
        time.sleep(0.005)


def tell(commands: GestureCommands, told: Gesture) -> None:
    commands.on_gesture(told, None)  # type: ignore[arg-type]  # a command is not told of the decision


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_a_command_learns_of_its_gesture_by_the_environment_alone(tmp_path: Path) -> None:
    ended: list[tuple[Rule, int]] = []
    seen = tmp_path / "seen.json"
    of_ours = "{k: v for k, v in os.environ.items() if k.startswith('FEDMOTION')}"
    code = f"import json, os; json.dump({of_ours}, open({str(seen)!r}, 'w'))"
    rules = parse_rules([f"swipe_left={python(code)}", "swipe_right=true"])
    commands = GestureCommands(rules, on_end=lambda rule, status: ended.append((rule, status)))
    tell(commands, gesture("wave; touch /tmp/never"))
    assert commands.n_running == 0
    tell(commands, gesture())
    assert commands.n_running == 1
    wait_until(commands, lambda: bool(ended))
    assert ended == [(rules[0], 0)]
    assert json.loads(seen.read_text()) == {
        "FEDMOTION_GESTURE": "swipe_left",
        "FEDMOTION_PROBABILITY": "0.9333",
        "FEDMOTION_NUMBER": "1",
        "FEDMOTION_START_US": "1000000",
        "FEDMOTION_STOP_US": "1900000",
        "FEDMOTION_ROUND": "5",
    }


def test_a_star_is_any_gesture_and_a_gesture_may_have_several_commands() -> None:
    ended: list[str] = []
    commands = GestureCommands(
        parse_rules(["*=true", "swipe_left=true a", "swipe_left=true b"]),
        on_end=lambda rule, _: ended.append(rule.text),
    )
    tell(commands, gesture())
    wait_until(commands, lambda: len(ended) == 3)
    assert sorted(ended) == ["true", "true a", "true b"]
    tell(commands, gesture("wave"))
    wait_until(commands, lambda: len(ended) == 4)


@pytest.mark.parametrize(("is_shell", "status"), [(False, 2), (True, 0)])
def test_no_shell_reads_a_command_unless_told_so(tmp_path: Path, is_shell: bool, status: int) -> None:
    statuses: list[int] = []
    text = f"swipe_left=test -z x; touch {tmp_path}/by_shell"
    rules = parse_rules([text], is_shell=is_shell)
    commands = GestureCommands(rules, on_end=lambda _, ended: statuses.append(ended))
    tell(commands, gesture())
    wait_until(commands, lambda: commands.n_running == 0)
    assert (tmp_path / "by_shell").exists() == is_shell
    assert statuses == [status]


def test_a_failure_is_logged_with_its_status_and_last_words(caplog: pytest.LogCaptureFixture) -> None:
    commands = GestureCommands(parse_rules(["wave=echo no such lamp >&2; exit 3"], is_shell=True))
    tell(commands, gesture("wave"))
    wait_until(commands, lambda: commands.n_running == 0)
    assert "command=echo no such lamp >&2; exit 3 ended with status 3: no such lamp" in caplog.text


def test_one_too_many_is_refused_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    commands = GestureCommands(parse_rules(["wave=sleep 60"]), max_running=2)
    for number in range(3):
        tell(commands, gesture("wave", number))
    assert (commands.n_running, commands.n_refused) == (2, 1)
    assert "gesture=wave 2 commands run already: sleep 60 is not started" in caplog.text
    commands.close()
    assert commands.n_running == 0


def test_one_that_takes_too_long_is_ended_with_what_it_started(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    ended: list[int] = []
    # A shell that will not hear SIGTERM, and a child of it.
    child_file = tmp_path / "child"
    text = (
        f"wave=trap '' TERM; sleep 600 & echo $! > {child_file}.new; mv {child_file}.new {child_file}; wait"
    )
    commands = GestureCommands(
        parse_rules([text], is_shell=True),
        timeout_s=10.0,
        clock=clock,
        on_end=lambda _, status: ended.append(status),
    )
    tell(commands, gesture("wave"))
    wait_until(commands, child_file.exists)
    child = int(child_file.read_text())
    clock.now_s = 10.5
    commands.tick()
    assert (ended, commands.n_running) == ([], 1)
    clock.now_s = 11.6
    commands.tick()
    assert (ended, commands.n_running) == ([-9], 0)
    assert "was ended: it took more than 10 s" in caplog.text

    def is_gone() -> bool:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        # Nobody may have reaped it yet.
        return Path(f"/proc/{child}/stat").exists() and " Z " in Path(f"/proc/{child}/stat").read_text()

    wait_until(commands, is_gone)


def test_one_that_says_too_much_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    commands = GestureCommands(parse_rules(["wave=yes >&2"], is_shell=True), clock=clock)
    tell(commands, gesture("wave"))

    def is_told_to_end() -> bool:
        return commands._running[0].terminated_s is not None

    wait_until(commands, is_told_to_end)
    clock.now_s = 1.5
    commands.tick()
    assert commands.n_running == 0
    assert "was ended: it said too much" in caplog.text


def test_a_program_that_vanished_since_the_start_costs_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "lamp"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    commands = GestureCommands(parse_rules([f"wave={program} on"]))
    program.unlink()
    tell(commands, gesture("wave"))
    assert (commands.n_running, commands.n_refused) == (0, 1)
    assert "cannot be started" in caplog.text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("wave", "a command is GESTURE=COMMAND, got 'wave'"),
        ("wave=", "a command is GESTURE=COMMAND, got 'wave='"),
        ("wave='open", "the command of wave cannot be read: No closing quotation"),
        (
            "wave=no-such-program-here x",
            "begins with a program that can be run, got 'no-such-program-here x'",
        ),
        ("other=true", "'other' is movement that is no gesture"),
    ],
)
def test_what_cannot_be_run_is_refused_at_the_start(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_rules([text])


def test_the_log_is_quiet_about_success(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    commands = GestureCommands(parse_rules(["wave=true"]))
    tell(commands, gesture("wave"))
    wait_until(commands, lambda: commands.n_running == 0)
    assert caplog.records == []
