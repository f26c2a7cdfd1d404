"""`kill -9` of aggregator, agents and broker: the run goes on by itself and every round is recorded once.

Programs are processes of their own around a real mosquitto. A supervisor starts again what was killed, as
systemd would, and does nothing else.
"""

import random
from pathlib import Path
from typing import get_args

import pytest
from supervised import Federation

from fedmotion.aggregator.service import POINTS
from fedmotion.host.federated_client import Point

# Each kill costs the start of an interpreter, which a busy machine takes its time for.
pytestmark = pytest.mark.timeout(200)

AGENT_POINTS: tuple[str, ...] = get_args(Point)


def test_a_federation_that_nobody_kills_records_every_round_once(tmp_path: Path) -> None:
    with Federation(tmp_path, n_rounds=4) as federation:
        federation.run_to_the_end()
        federation.assert_every_round_is_recorded_once()
        assert [each.n_killed for each in federation.programs] == [0, 0, 0, 0]


def test_an_aggregator_killed_at_every_point_goes_on_with_its_rounds(tmp_path: Path) -> None:
    # Once at the first time after its start, in the greeting or with what was sent again, and once later.
    plans = [f"{point}:{nth}" for point in POINTS for nth in (1, 2)]
    with Federation(tmp_path, n_rounds=8, aggregator_plans=plans) as federation:
        federation.run_to_the_end()
        federation.assert_every_round_is_recorded_once()
        assert federation.aggregator.n_killed == len(plans) == 12


def test_agents_killed_at_every_point_answer_every_round_once(tmp_path: Path) -> None:
    plans = [f"{point}:1" for point in AGENT_POINTS]
    agent_plans = {"anna": plans, "bert": plans[::-1]}
    with Federation(tmp_path, n_rounds=8, agent_plans=agent_plans) as federation:
        federation.run_to_the_end()
        federation.assert_every_round_is_recorded_once()
        assert [each.n_killed for each in federation.agents.values()] == [5, 5, 0]


def test_a_broker_killed_at_every_point_of_the_aggregator_costs_no_round(tmp_path: Path) -> None:
    plan = ",".join(f"{point}:{nth}" for point in POINTS for nth in (1, 3))
    with Federation(tmp_path, n_rounds=12, broker_plan=plan) as federation:
        federation.run_to_the_end()
        federation.assert_every_round_is_recorded_once()
        assert federation.n_broker_restarts == 12
        assert [each.n_killed for each in federation.programs] == [0, 0, 0, 0]


def test_twenty_kills_of_anyone_at_random_moments_cost_no_round(tmp_path: Path) -> None:
    rng = random.Random(20)
    with Federation(tmp_path, n_rounds=20) as federation:
        n_kills = {"broker": 0, "aggregator": 0, "agent": 0}
        for index in range(20):
            # Each kill is in another round, so that all of them are before the end.
            federation.reach_round(index + 1)
            federation.reach_points(rng.randrange(12), rng.uniform(0.0, 0.3))
            victim = rng.choice(list(n_kills))
            n_kills[victim] += 1
            if victim == "broker":
                federation.broker.kill()
            elif victim == "aggregator":
                federation.aggregator.kill()
            else:
                rng.choice(list(federation.agents.values())).kill()
        assert min(n_kills.values()) >= 4
        federation.run_to_the_end()
        federation.assert_every_round_is_recorded_once()
        assert sum(each.n_killed for each in federation.programs) == n_kills["aggregator"] + n_kills["agent"]
        assert federation.n_broker_restarts == n_kills["broker"]
