"""What can be wrong with recordings: the kinds of findings, how grave each is, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["unusable", "doubtful", "note"]
"""An unusable take shows by itself that it cannot teach anything; a doubtful one stands out among others;
a note is to be known and no fault."""

Kind = Literal[
    "no_number",
    "absent_axis",
    "saturated",
    "stuck",
    "time",
    "rate",
    "units",
    "length",
    "spike",
    "turned",
    "duplicate",
    "label",
    "coverage",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; `take` is "" where it is of the whole set, `axis` where it is of no single one."""

    kind: Kind
    severity: Severity
    take: str
    axis: str
    sentence: str


WHAT_TO_DO: dict[Kind, str] = {
    "no_number": "Delete the take or record it again: values that are no numbers cannot be learned from.",
    "absent_axis": "Record with a board that has all six axes; takes without a gyroscope are not trained on.",
    "saturated": "Choose a larger range on the board, or perform less violently, and record again.",
    "stuck": "Check the sensor's wiring and power, then record the take again.",
    "time": "Record again; samples went missing or the board's clock jumped on the way.",
    "rate": "Trust the time stamps, and correct the declared rate.",
    "units": "Correct the units in the file (or the ranges that the board announces), then check again.",
    "length": "Look at the picture: half a gesture, or several, or a recording that was never stopped.",
    "spike": "A damaged sample: delete the take, or accept it where something really hit the sensor.",
    "turned": "Correct the axes as suggested, or record again with the board as it was worn before.",
    "duplicate": "Keep one of them: copies count twice and make any test of the model too good.",
    "label": "Rename the rarer label, or accept it where both are meant.",
    "coverage": "Nothing is wrong; with a take of it the model would know this person's way too.",
}
