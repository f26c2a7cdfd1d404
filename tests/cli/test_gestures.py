"""`fedmotion gestures` and `fedmotion aggregator gestures`, one command at a time."""

import json
from pathlib import Path
from uuid import UUID

import click
import numpy as np
import pytest

from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.cli.aggregator_folder import AggregatorFolder
from fedmotion.cli.main import command as fedmotion
from fedmotion.host.gesture_book import GestureBook
from fedmotion.host.profile import Profile, join
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.protocol.invitation import Invitation, encode_invitation
from fedmotion.protocol.messages import Gesture, GestureList, Proposal, decode_message

FEDERATION = UUID(int=11)
CIRCLE = ("gestures", "propose", "circle", "--sentence", "once round")


def take(label: str, seed: int) -> Recording:
    n = 200
    return Recording(
        label=label,
        person="ada",
        board_id=seed,
        hand="right",
        mounting="wrist",
        start_us=500_000,
        stop_us=1_500_000,
        centre_us=1_000_000,
        accel_scale_mps2=9.80665 / 8192,
        gyro_scale_radps=0.001,
        t_us=np.arange(n, dtype=np.int64) * 10_000,
        counts=np.random.default_rng(seed).integers(-3000, 3000, (n, 6)).astype(np.int16),
    )


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Ada's, who has takes of circle (1) and wave (2), and of a federation with swipe_left and circles."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    made = Profile(tmp_path / "fedmotion" / "profiles" / "default")
    invitation = Invitation(
        federation="kitchen",
        federation_id=FEDERATION,
        host="broker.example",
        port=1883,
        client_id="ada",
        password="x",
    )
    join(made, encode_invitation(invitation).encode())
    with RecordingStore(made.recordings, clock=lambda: 0.0) as store:
        store.add(take("circle", 1))
        store.add(take("wave", 2))
    with GestureBook(made.gestures, clock=lambda: 0.0) as book:
        gestures = (Gesture(name="swipe_left", sentence="the hand goes left"), Gesture(name="tap"))
        book.take_list(GestureList(federation_id=FEDERATION, gestures=gestures))
    return made


@pytest.fixture
def federation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An aggregator's folder, with a proposal of ada's in it."""
    monkeypatch.chdir(tmp_path)
    folder = AggregatorFolder(tmp_path / "federation")
    folder.path.mkdir()
    configuration = folder.configure({"federation": "kitchen", "activities": ("swipe_left", "other")})
    with folder.open_store(configuration) as store:
        held = store.federation()
        assert held is not None
        for name, number in (("swipe-left", 1), ("circle", 2)):
            proposal = Proposal(
                federation_id=held.federation_id,
                client_id="ada",
                proposal_id=UUID(int=number),
                name=name,
                sentence="so",
            )
            with store.transaction():
                store.add_proposal(proposal, bytes(32))
    return folder.path


def run(*arguments: str) -> None:
    fedmotion.main(list(arguments), standalone_mode=False)


def test_the_list_says_where_each_gesture_stands(
    profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*CIRCLE)
    said = capsys.readouterr()
    assert said.out.startswith("circle is proposed to the owner of kitchen; it leaves with the agent")
    assert said.err == ""
    run("gestures", "list")
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert rows[2:] == [
        "swipe_left the hand goes left learned - yes",
        "tap - learned - yes",
        "circle once round proposed: waits for the agent to send it 1 yes",
    ]
    run("gestures", "list", "--json")
    assert json.loads(capsys.readouterr().out)[2] == {
        "name": "circle",
        "sentence": "once round",
        "standing": "proposed",
        "why": "waits for the agent to send it",
        "has_example": False,
        "n_takes": 1,
        "is_taught": True,
    }
    run("gestures", "withdraw", "circle")
    assert capsys.readouterr().out == "circle is withdrawn; the owner hears of it when the agent runs\n"
    with pytest.raises(ValueError, match="there is no gesture 'circel': did you mean 'circle'"):
        run("gestures", "show", "circel")


def test_a_name_that_is_alike_is_reported_and_not_refused(
    profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    run("gestures", "propose", "Swipe Left", "--sentence", "so")
    said = capsys.readouterr()
    assert "'Swipe Left' may be there already: 'swipe_left' is the same but for case" in said.err
    assert "`fedmotion record 'Swipe Left'` makes some" in said.err
    assert "Swipe Left is proposed" in said.out
    with pytest.raises(ValueError, match="the federation has 'swipe_left' already"):
        run("gestures", "propose", "swipe_left", "--sentence", "so")
    with pytest.raises(ValueError, match="a gesture's sentence is one line"):
        run("gestures", "propose", "wave", "--sentence", "a\nb")


def test_an_example_leaves_only_where_its_owner_agrees(
    profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="an example of 'circle' is a take of it, take 2 is of 'wave'"):
        run(*CIRCLE, "--with-example", "2")
    with pytest.raises(ValueError, match="there is no take 7 in "):
        run(*CIRCLE, "--with-example", "7")
    with pytest.raises(ValueError, match="nobody is here to agree to that: give --yes"):
        run(*CIRCLE, "--with-example", "1")
    shown = capsys.readouterr().out
    assert "24 instants over 1.00 s, 144 bytes:" in shown
    assert "This is motion of yours." in shown
    with GestureBook(profile.gestures, clock=lambda: 0.0) as book:
        assert book.pending() == []
    run(*CIRCLE, "--with-example", "1", "--yes")
    with GestureBook(profile.gestures, clock=lambda: 0.0) as book:
        ((_, message),) = book.pending()
    proposal, _ = decode_message(message, Proposal)
    assert proposal.example is not None
    assert proposal.example.duration_s == 1.0
    # All that leaves: what the aggregator takes at most.
    assert len(message) < 500


def test_a_person_is_asked_about_likeness_and_example(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(click, "confirm", no)
    with pytest.raises(click.Abort):
        run("gestures", "propose", "taps", "--sentence", "so")
    with pytest.raises(click.Abort):
        run(*CIRCLE, "--with-example", "1")
    assert asked == ["Propose it all the same?", "Publish it?"]
    with GestureBook(profile.gestures, clock=lambda: 0.0) as book:
        assert book.proposals() == []


def test_teaching_is_agreed_to_and_taken_back(profile: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    run("gestures", "teach", "tap")
    assert capsys.readouterr().out == "0 takes of tap teach from the next round on\n"
    run("gestures", "teach", "tap", "--stop")
    assert capsys.readouterr().out == "0 takes of tap teach no longer from the next round on\n"
    with pytest.raises(ValueError, match="the federation has swipe_left, tap, got 'circle'"):
        run("gestures", "teach", "circle")


def test_the_owner_reads_and_answers_proposals(federation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    owner = ("aggregator", "gestures")
    run(*owner, "proposals")
    shown = " ".join(capsys.readouterr().out.split())
    assert "'swipe-left' may be there already: 'swipe_left' is the same but for case" in shown
    run(*owner, "accept", "circle", "--sentence", "once round")
    assert capsys.readouterr().out.startswith("circle of ada is accepted; a running aggregator begins")
    run(*owner, "decline", "swipe-left", "--why", "we have swipe_left")
    assert capsys.readouterr().out == "1 proposal of swipe-left declined\n"
    run(*owner, "describe", "swipe_left", "--sentence", "the hand goes left")
    run(*owner, "add", "wave", "--sentence", "twice")
    capsys.readouterr()
    run(*owner, "list", "--json")
    assert json.loads(capsys.readouterr().out) == [
        {"name": "swipe_left", "sentence": "the hand goes left", "example": None, "is_learned": True},
        {"name": "circle", "sentence": "once round", "example": None, "is_learned": False},
        {"name": "wave", "sentence": "twice", "example": None, "is_learned": False},
    ]
    run(*owner, "list")
    assert "accepted, its lineage begins between two rounds" in capsys.readouterr().out
    run(*owner, "proposals")
    assert capsys.readouterr().err == "no proposal is open\n"
    run(*owner, "proposals", "--all", "--json")
    assert [(each["name"], each["state"]) for each in json.loads(capsys.readouterr().out)] == [
        ("swipe-left", "declined"),
        ("circle", "accepted"),
    ]
    with pytest.raises(ValueError, match="describe takes --sentence, --no-example or both"):
        run(*owner, "describe", "wave")
    with FederationStore(federation / "federation.sqlite") as store:
        assert store.wanted() == ("circle", "wave")


def test_without_a_federation_the_commands_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="holds no federation yet: found one with `fedmotion aggregator"):
        run("aggregator", "gestures", "list")
    with pytest.raises(click.UsageError, match="options go behind the command"):
        run("aggregator", "--data", "./elsewhere", "gestures", "list")
    with pytest.raises(ValueError, match="has joined no federation: run `fedmotion join FILE`"):
        run("gestures", "list", "--profile", "./nobody")
