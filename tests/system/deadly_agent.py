"""An agent that dies at a named point: `deadly_agent.py PROFILE PLAN`; it answers by `behaving_answers`."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from behaving_answers import answer
from deadly import Deaths

from fedmotion.broker.backoff import Backoff
from fedmotion.broker.door import Event, Will
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.host.agent import Agent
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.profile import Profile
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.trainer import Answer
from fedmotion.models.specification import pca_svm
from fedmotion.protocol.invitation import Invitation
from fedmotion.protocol.messages import Announcement


def main() -> None:
    """Serve until SIGTERM, or a planned death."""
    profile = Profile(Path(sys.argv[1]))
    client_id = profile.read_invitation().client_id
    plan = sys.argv[2].split(",") if sys.argv[2] else []
    deaths = Deaths(plan, os.getpid, profile.directory.parent / f"{client_id}.points")

    def open_door(
        profile: Profile, invitation: Invitation, on_event: Callable[[Event], None], will: Will | None
    ) -> PahoDoor:
        backoff = Backoff(first_s=0.02, most_s=0.1)
        return PahoDoor(
            profile.address(invitation), name=client_id, on_event=on_event, will=will, backoff=backoff
        )

    def answer_round(announcement: Announcement, model: LoadedModel) -> Answer:
        kind, round_id = announcement.round_kind, announcement.round_id
        return answer(model.specification, kind, round_id, model.parameters, client_id)

    agent = Agent(
        profile,
        AgentConfiguration(resend_s=0.3),
        finding=pca_svm(("gesture", "other")),
        open_door=open_door,
        answer_round=answer_round,
        on_point=deaths.at,
    )
    signal.signal(signal.SIGTERM, lambda *_: agent.stop())
    agent.run()


if __name__ == "__main__":
    main()
