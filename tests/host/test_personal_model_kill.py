"""A real agent under `kill -9` while it keeps or uses its personal model: all is as before or as after."""

import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from fedmotion.broker.accounts import Account, write_accounts
from fedmotion.broker.embedded import RunningBroker, start_broker
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.delivery.retained_model import publish_retained
from fedmotion.host.held_out import HeldOutTakes
from fedmotion.host.own_model import model_in_use
from fedmotion.host.personal_model import Personal, PersonalFiles, Personaliser
from fedmotion.host.profile import Profile
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.trainer import Trainer
from fedmotion.models.personal import Personalisation
from fedmotion.models.specification import Parameters, Specification
from fedmotion.protocol.invitation import Invitation, encode_invitation
from fedmotion.protocol.tensors import sha256_of
from fedmotion.protocol.topics import Topics

# Each kill costs the start of an interpreter, which a busy machine takes its time for.
pytestmark = pytest.mark.timeout(300)

FEDERATION_ID = UUID(int=11)
LINEAGE_ID = UUID(int=22)
TOPICS = Topics("kitchen")
SHARE = 0.3
ACCOUNTS = (
    Account("aggregator", "secret-of-aggregator", "aggregator", "kitchen"),
    Account("ada", "secret-of-ada", "client", "kitchen"),
)

# `fedmotion`, which dies at the point that its first argument names.
AGENT = """
import os, signal, sys
from pathlib import Path

from fedmotion.cli.main import main

# A program that hangs ends by itself.
signal.alarm(100)
point = sys.argv.pop(1)
replace = Path.replace

def deadly(path, target):
    name = Path(target).name
    if point == f"before {name}":
        os.kill(os.getpid(), signal.SIGKILL)
    done = replace(path, target)
    if point == f"after {name}":
        os.kill(os.getpid(), signal.SIGKILL)
    return done

Path.replace = deadly
main()
"""
POINTS = [
    f"{when} {name}"
    for name in ("released.safetensors", "personal.safetensors", "personal.json")
    for when in ("before", "after")
]


@dataclass
class Home:
    """A client's profile, the broker of its federation, and the models that the federation releases."""

    profile: Profile
    takes: list[Recording]
    door: PahoDoor
    specification: Specification
    basis: Parameters
    message: Callable[..., bytes]
    folder: Path

    def model(self, round_id: int) -> LoadedModel:
        """Return what round `round_id` releases: each decides everything as other, a little otherwise."""
        intercept = np.array([-1.0, -1.0, 1.0]) * (1 + round_id / 100)
        parameters = {**self.basis, "intercept": intercept}
        return LoadedModel(LINEAGE_ID, round_id, sha256_of(parameters), self.specification, parameters)

    def release(self, round_id: int) -> LoadedModel:
        model = self.model(round_id)
        message = self.message(model.parameters, round_id=round_id)
        assert publish_retained(self.door, TOPICS, "released", message)
        return model

    def unharmed(self, model: LoadedModel) -> Personal:
        """Return what an agent that nobody kills makes of `model` and these takes."""
        profile = Profile(self.folder / f"unharmed-{model.round_id}")
        profile.create()
        shutil.copy(self.profile.recordings, profile.recordings)
        shutil.copy(self.profile.held_out, profile.held_out)
        with RecordingStore(profile.recordings, clock=lambda: 0.0) as store:
            trainer = Trainer(store, "ada", held_out=HeldOutTakes(profile.held_out, SHARE))
            how = Personalisation("head", normalise=True)
            files = PersonalFiles(profile.personal_model)
            made = Personaliser(trainer, files, "kitchen", FEDERATION_ID, how, lambda: 1e9).try_to_make(model)
        assert made is not None
        assert made.record.is_better
        return made

    def look(self, possible: set[int]) -> int:
        """Return the round of the model that is used from here on; it is one of `possible`, and whole."""
        used = model_in_use(self.profile)
        assert used is not None
        assert used.round_id in possible
        if used.is_personal:
            base = self.model(used.round_id)
            kept = PersonalFiles(self.profile.personal_model).read(FEDERATION_ID, base)
            assert kept is not None
            assert kept.model.sha256 == used.sha256 == sha256_of(used.parameters)
        else:
            assert used.sha256 == self.model(used.round_id).sha256
        with RecordingStore(self.profile.recordings, clock=lambda: 0.0) as store:
            assert store.damage() == []
            stored = [(each.label, each.t_us.tolist(), each.counts.tobytes()) for each in store]
        assert sorted(stored) == sorted(
            (each.label, each.t_us.tolist(), each.counts.tobytes()) for each in self.takes
        )
        return used.round_id


class Agent:
    """A process of `fedmotion agent` that dies at `point`."""

    def __init__(self, home: Home, point: str = "never") -> None:
        command = [sys.executable, "-c", AGENT, point, "agent", "--json", "--held-out-share", str(SHARE)]
        self._errors = (home.folder / "errors.txt").open("wb")
        self.process = subprocess.Popen(
            [*command, "--profile", str(home.profile.directory)],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def lines(self) -> Iterator[dict[str, object]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(json.JSONDecodeError):  # the line under which it died
                yield json.loads(line)

    def until(self, is_it: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        return next(line for line in self.lines() if is_it(line))

    def end(self) -> int:
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()
        return self.process.wait(60)


def is_personal(line: dict[str, object]) -> bool:
    return line["event"] == "released" and bool(line["is_personal"])


def served(home: Home, round_id: int) -> None:
    """Let an agent that nobody kills go over to the personal model of `round_id`, and end it."""
    agent = Agent(home)
    assert agent.until(lambda line: is_personal(line) and line["round_id"] == round_id)
    agent.process.send_signal(signal.SIGTERM)
    assert agent.end() == 0


def started(folder: Path) -> RunningBroker:
    write_accounts(folder, ACCOUNTS)
    return start_broker(folder)


@pytest.fixture
def home(
    tmp_path: Path,
    takes: list[Recording],
    specification: Specification,
    basis_parameters: Parameters,
    model_message: Callable[..., bytes],
) -> Iterator[Home]:
    with started(tmp_path / "broker") as broker:
        invitation = Invitation(
            federation="kitchen",
            federation_id=FEDERATION_ID,
            host="127.0.0.1",
            port=broker.port,
            client_id="ada",
            password="secret-of-ada",
        )
        profile = Profile(tmp_path / "ada")
        profile.create()
        profile.invitation.write_text(encode_invitation(invitation))
        with RecordingStore(profile.recordings, clock=lambda: 0.0) as store:
            assert all(store.add(take) for take in takes)
        is_there = threading.Event()
        address = broker.address("aggregator", "secret-of-aggregator")
        door = PahoDoor(address, name="aggregator", on_event=lambda _: is_there.set())
        door.start()
        assert is_there.wait(20)
        yield Home(profile, takes, door, specification, basis_parameters, model_message, tmp_path)
        door.close()


def test_killed_at_each_point_of_keeping_it_the_agent_goes_on_with_a_whole_model(home: Home) -> None:
    home.release(1)
    served(home, 1)
    assert home.look({1}) == 1
    dealt = home.profile.held_out.read_bytes()
    for round_id, point in enumerate(POINTS, start=2):
        model = home.release(round_id)
        agent = Agent(home, point)
        list(agent.lines())
        assert agent.end() == -signal.SIGKILL, (home.folder / "errors.txt").read_text()
        is_released_kept = point != "before released.safetensors"
        home.look({round_id if is_released_kept else round_id - 1})
        served(home, round_id)
        used = model_in_use(home.profile)
        assert used is not None
        assert (used.is_personal, used.sha256) == (True, home.unharmed(model).model.sha256), point
        assert home.profile.held_out.read_bytes() == dealt


def test_killed_at_random_moments_of_making_and_using_it_nothing_is_lost(home: Home) -> None:
    rng = random.Random(19)
    home.release(1)
    served(home, 1)
    kept = 1
    for round_id in range(2, 10):
        home.release(round_id)
        agent = Agent(home)
        # Sometimes before it makes the personal model, sometimes within, sometimes when it is used.
        agent.until(lambda line: line["event"] == "released")
        time.sleep(rng.uniform(0.0, 0.2))
        agent.process.kill()
        assert agent.end() == -signal.SIGKILL
        kept = home.look({kept, round_id})
    served(home, 9)
    used = model_in_use(home.profile)
    assert used is not None
    assert (used.is_personal, used.sha256) == (True, home.unharmed(home.model(9)).model.sha256)
