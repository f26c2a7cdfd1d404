"""How the comparison of alone and federated is shown, in a sentence and in a table by round."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fedmotion.host.benefit import Benefit

_N_ROWS = 20


def in_a_sentence(benefit: Benefit) -> str:
    """Return what a release bought its client, as far as that is known."""
    of = f"{benefit.n_takes} of your takes"
    alone = f"alone {benefit.n_right_alone / benefit.n_takes:.0%}"
    if benefit.difference is None or benefit.n_right_federated is None:
        return (
            f"round {benefit.round_id}: {alone} of {of} are right, asked in turns; the federated model has "
            "seen them: record 10 takes or more of each label, 30 in all, and some are held out to compare "
            "the two"
        )
    federated = f"federated {benefit.n_right_federated / benefit.n_takes:.0%}"
    difference, low, high = benefit.difference
    alarms = (
        f"; false alarms in {benefit.n_other} of other: alone {benefit.n_false_alarms_alone}, "
        f"federated {benefit.n_false_alarms_federated}"
        if benefit.n_other
        else ""
    )
    personal = (
        ""
        if benefit.n_right_personal is None
        else f"; the personal model {benefit.n_right_personal / benefit.n_takes:.0%}"
    )
    return (
        f"round {benefit.round_id}: {alone}, {federated} right of {of} that neither has seen, "
        f"{difference:+.0%} (95 % between {low:+.0%} and {high:+.0%}){alarms}{personal}"
    )


def show_benefit(console: Console, history: Sequence[Benefit]) -> None:
    """Print the last comparisons, and the newest in words."""
    table = Table(box=SIMPLE_HEAD)
    has_personal = any(each.n_right_personal is not None for each in history[-_N_ROWS:])
    columns = ["round", "date (UTC)", "takes", "alone", "federated", "difference", "95 % between"]
    if has_personal:
        columns.insert(5, "personal")
    for column in (*columns, "false alarms", "of other"):
        table.add_column(column, justify="right")
    for each in history[-_N_ROWS:]:
        difference, between, federated = "-", "-", "-"
        if each.difference is not None and each.n_right_federated is not None:
            by, low, high = each.difference
            difference, between = f"{by:+.0%}", f"{low:+.0%} and {high:+.0%}"
            federated = f"{each.n_right_federated / each.n_takes:.0%}"
        alarms_federated = "-" if each.n_false_alarms_federated is None else each.n_false_alarms_federated
        personal = "-" if each.n_right_personal is None else f"{each.n_right_personal / each.n_takes:.0%}"
        false_alarms = f"{each.n_false_alarms_alone} → {alarms_federated}"
        if has_personal:
            false_alarms += (
                f" → {'-' if each.n_false_alarms_personal is None else each.n_false_alarms_personal}"
            )
        table.add_row(
            str(each.round_id),
            each.made_utc[:16].replace("T", " "),
            f"{each.n_takes}{'' if each.way == 'held out' else ' *'}",
            f"{each.n_right_alone / each.n_takes:.0%}",
            federated,
            *([personal] if has_personal else []),
            difference,
            between,
            false_alarms,
            str(each.n_other),
        )
    console.print(table)
    if any(each.way != "held out" for each in history[-_N_ROWS:]):
        console.print("* too few takes to hold some out: alone is asked in turns, see docs/benefit.md")
    console.print(in_a_sentence(history[-1]))
