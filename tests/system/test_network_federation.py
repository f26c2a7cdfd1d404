"""A federation of small networks: real programs over a real broker, where scikit-learn cannot be imported."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from marked_process import FEDMOTION, MarkedProcess

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.federation_records import ModelReference
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.founding import open_federation
from fedmotion.aggregator.invitations import AGGREGATOR, broker_accounts, invite
from fedmotion.broker.accounts import new_password, write_accounts
from fedmotion.broker.embedded import start_broker
from fedmotion.host.profile import Profile, join
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.trainer import LocalWindows, Trainer
from fedmotion.models.family import confusion, family
from fedmotion.protocol.invitation import encode_invitation
from fedmotion.protocol.tensors import decode_arrays
from fedmotion.simulation.stage import free_port

# A broker and three programs, under coverage, on a machine that has other things to do as well.
pytestmark = [
    pytest.mark.timeout(200),
    pytest.mark.skipif(shutil.which("mosquitto", path="/usr/sbin:/usr/bin") is None, reason="no mosquitto"),
]

BLOCKED = "raise ImportError('a network is trained without this')\n"
ACTIVITIES = ("left", "right", "other")
G_MPS2 = 9.80665


def take(label: str, rng: np.random.Generator) -> Recording:
    """A turn about z one way and back, the other way round, or one about x, of 3 s at 100 Hz."""
    t_us = np.arange(300, dtype=np.int64) * 10_000
    swing = np.sin(2 * np.pi * (t_us / 1e6 - 1.5) / rng.uniform(0.8, 1.2)) * np.exp(
        -(((t_us / 1e6) - 1.5) ** 2) * 6
    )
    size_radps = rng.uniform(2.5, 4.0)
    samples = rng.normal(scale=0.1, size=(300, 6))
    samples[:, 2] += G_MPS2
    samples[:, 3 if label == "other" else 5] += size_radps * swing * (-1 if label == "right" else 1)
    accel_scale, gyro_scale = G_MPS2 / 4096, np.radians(1 / 32.8)  # +-8 g, +-1000 degrees/s
    return Recording(
        label=label,
        person="somebody",
        board_id=1,
        hand="right",
        mounting="wrist",
        start_us=1_000_000,
        stop_us=2_000_000,
        centre_us=1_500_000,
        accel_scale_mps2=accel_scale,
        gyro_scale_radps=gyro_scale,
        t_us=t_us,
        counts=np.rint(samples / np.repeat([accel_scale, gyro_scale], 3)).astype(np.int16),
    )


def record(profile: Path, labels: list[str], seed: int) -> Path:
    """Fill the profile's store as its owner would have."""
    profile.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    with RecordingStore(Profile(profile).recordings, clock=lambda: 1.7e9) as store:
        for label in labels:
            assert store.add(take(label, rng))
    return profile


def windows_of(profile: Path, specification: object) -> LocalWindows:
    with RecordingStore(Profile(profile).recordings, clock=lambda: 1.7e9) as store:
        return Trainer(store, "asked").local_windows(specification)  # type: ignore[arg-type]


def test_people_teach_a_network_over_mosquitto_without_scikit_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    for name in ("sklearn", "scipy", "torch", "tensorflow"):
        (blocked / f"{name}.py").write_text(BLOCKED)
    monkeypatch.setenv("PYTHONPATH", str(blocked))
    configuration = AggregatorConfiguration(
        federation="home", activities=ACTIVITIES, model="cnn", n_rounds=4, n_epochs=10, interval_s=0.0
    ).check()
    specification = configuration.specification()
    port, password = free_port(), new_password()
    store = FederationStore(tmp_path / "federation.sqlite")
    open_federation(store, "home", specification, random.SystemRandom())
    # Neither has what the other performs.
    homes = {"ada": ["left", "other"] * 14, "ben": ["right", "other"] * 14}
    for seed, (client_id, labels) in enumerate(homes.items()):
        invitation = invite(store, client_id, "127.0.0.1", port)
        join(Profile(tmp_path / client_id), encode_invitation(invitation).encode())
        record(tmp_path / client_id, labels, seed)
    (tmp_path / "broker").mkdir()
    write_accounts(tmp_path / "broker", broker_accounts(store, password))
    store.close()
    folders = {name: tmp_path / f"run-{name}" for name in (*homes, "aggregator")}
    for folder in folders.values():
        folder.mkdir()
    with start_broker(tmp_path / "broker", port, "mosquitto") as broker:
        url = broker.address(AGGREGATOR, password).to_url()
        rounds = ("--n-rounds", "4", "--n-epochs", "10", "--interval-s", "0", "--model", "cnn")
        founded = ("--federation", "home", "--activities", ",".join(ACTIVITIES), "--broker", url)
        aggregate = (*FEDMOTION, "aggregator", "--data", str(tmp_path), "--until-done", *rounds, *founded)
        agent = (*FEDMOTION, "agent", "--profile")
        with (
            MarkedProcess((*agent, str(tmp_path / "ada")), folders["ada"]) as ada,
            MarkedProcess((*agent, str(tmp_path / "ben")), folders["ben"]) as ben,
            MarkedProcess(aggregate, folders["aggregator"]) as aggregator,
        ):
            assert aggregator.wait() == 0, aggregator.report()
            for process in (ada, ben):
                loaded = Path(f"/proc/{process.pid}/maps").read_text("utf-8")
                assert "/ai_edge_litert/" in loaded
                assert "/sklearn/" not in loaded
                assert "declined" not in process.error_path.read_text("utf-8"), process.report()
    store = FederationStore(tmp_path / "federation.sqlite", read_only=True)
    try:
        last = [record for record in store.rounds() if record.kind == "train"][-1]
        assert last.result_sha256 is not None
        parameters = decode_arrays(
            store.arrays_of(ModelReference(last.lineage_id, last.round_id, last.result_sha256))
        )
    finally:
        store.close()
    asked = windows_of(record(tmp_path / "newcomer", list(ACTIVITIES) * 10, 9), specification)
    counts = confusion(family("cnn"), specification, parameters, asked.windows, asked.labels)
    assert int(np.trace(counts)) >= 28
