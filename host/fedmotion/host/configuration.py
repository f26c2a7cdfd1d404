"""An agent's configuration: every key with its range, its default and what it means."""

import logging
from typing import Annotated, Literal

import msgspec

from fedmotion.broker.address import parse_address
from fedmotion.host.serial_port import check_port
from fedmotion.models.personal import FineTune, Personalisation
from fedmotion.protocol.identity import Hand, Placement, check_label
from fedmotion.protocol.serial_frames import DEFAULT_BAUD

LogLevel = Literal["debug", "info", "warning", "error"]


class AgentConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agent's owner can set; the command's options have the same names."""

    profile: Annotated[
        str, msgspec.Meta(description="name of the profile, or its folder where it has a slash")
    ] = "default"
    port: Annotated[
        str,
        msgspec.Meta(
            description="the board: /dev/ttyUSB0, a pty, or socket://HOST:PORT; empty to run without one"
        ),
    ] = ""
    baud: Annotated[
        int, msgspec.Meta(description="bits a second on the serial line", ge=300, le=4_000_000)
    ] = DEFAULT_BAUD
    person: Annotated[str, msgspec.Meta(description="who wears the board; written into each recording")] = (
        "unset"
    )
    hand: Annotated[Hand, msgspec.Meta(description="the hand that wears it: unset, left or right")] = "unset"
    mounting: Annotated[str, msgspec.Meta(description="how it is worn, in the owner's own words")] = "unset"
    marks: Annotated[
        str,
        msgspec.Meta(
            description="JSON file of [{label, start_us, stop_us}] in the board's time; movements in a mark "
            "are recorded under its label; empty: the agent records nothing by itself"
        ),
    ] = ""
    is_other_recorded: Annotated[
        bool, msgspec.Meta(description="record movements outside every mark as `other`")
    ] = False
    corrections_broker: Annotated[
        str,
        msgspec.Meta(
            description="mqtt[s]://[USER:PASSWORD@]HOST[:PORT] of a broker at home, not the federation's, "
            "where corrections are taken from fedmotion/corrections/PROFILE; empty: none"
        ),
    ] = ""
    is_other_collected: Annotated[
        bool,
        msgspec.Meta(
            description="record by itself as `other`, within a quota, movement that the model surely takes "
            "for no gesture"
        ),
    ] = False
    other_quota: Annotated[
        int,
        msgspec.Meta(description="how many movements a day are recorded by that at most", ge=0, le=10_000),
    ] = 20
    other_share: Annotated[
        float,
        msgspec.Meta(description="the share of all takes that `other` has by that at most", ge=0, le=1),
    ] = 0.5
    takes_part: Annotated[
        bool, msgspec.Meta(description="answer rounds; where false the agent only recognises")
    ] = True
    held_out_share: Annotated[
        float,
        msgspec.Meta(
            description="the share of each label's takes that is never trained on, so that "
            "`fedmotion benefit` can ask models about them; 20 takes are always trained on; 0 holds "
            "out nothing",
            ge=0,
            le=0.5,
        ),
    ] = 0.2
    personal_fine_tune: Annotated[
        FineTune,
        msgspec.Meta(
            description="what of each released model goes on being trained on one's own takes, for a "
            "personal model that stays here: off, head (the last layer) or all; it is used where it decides "
            "more of the held-out takes rightly"
        ),
    ] = "head"
    personal_normalise: Annotated[
        bool,
        msgspec.Meta(
            description="the personal model takes the mean and scale of one's own takes, with the "
            "federation's counting as 20 of them"
        ),
    ] = True
    resend_s: Annotated[
        float, msgspec.Meta(description="how long to wait for a receipt before sending again", gt=0, le=3600)
    ] = 5.0
    log_level: Annotated[LogLevel, msgspec.Meta(description="debug, info, warning or error")] = "info"

    @property
    def placement(self) -> Placement:
        """How the board is worn."""
        return Placement(self.hand, self.mounting)

    @property
    def personalisation(self) -> Personalisation | None:
        """What is made one's own of each released model; None where nothing is."""
        if self.personal_fine_tune == "off" and not self.personal_normalise:
            return None
        return Personalisation(self.personal_fine_tune, self.personal_normalise)

    @property
    def logging_level(self) -> int:
        """`log_level` as the logging module has it."""
        return logging.getLevelNamesMapping()[self.log_level.upper()]

    def check(self) -> "AgentConfiguration":
        """Return this configuration if all in it can be; raises ValueError with key, rule and value."""
        check_label(self.person, "person")
        check_label(self.mounting, "mounting")
        if not self.profile:
            raise ValueError("profile is a name or a folder, got nothing")
        if self.port:
            check_port(self.port)
        if self.corrections_broker:
            parse_address(self.corrections_broker)
        if self.is_other_recorded and not self.marks:
            raise ValueError("is_other_recorded needs marks: without them nothing tells other from gestures")
        return self
