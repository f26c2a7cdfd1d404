"""An evaluation in words: the JSON document and the Markdown tables."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from fedmotion.models.statistics import MIN_WINDOWS
from fedmotion.simulation.evaluation.alarms import Alarms, FalseAlarms
from fedmotion.simulation.evaluation.contest import WAYS
from fedmotion.simulation.evaluation.figures import Difference, Figures
from fedmotion.simulation.evaluation.measures import Spread
from fedmotion.simulation.evaluation.mounting import N_KNOWN, Turned
from fedmotion.simulation.evaluation.movements import Movements

_AXES = {"six": "six axes", "accel": "accelerometer only"}
_GAINED = {
    "federated - alone": "federated - mean of those alone",
    "federated - pooled": "federated - pooled, tuned",
    "federated - pooled_alike": "federated - pooled, the federation's settings",
    "personalised - federated": "personalised - federated, on the same takes",
    **{f"{way} - federated": f"{way} - federated, likewise" for way in WAYS},
}


def document(movements: Movements, all_figures: Sequence[Figures]) -> dict[str, Any]:
    """Return what the JSON file holds.

    Under each family's name stand the accuracies of its first figures (their mean over seeds) at a glance;
    `results` has all figures of the first family by axes, `others` those of further ones by their names, and
    the rest is what repeats them.
    """
    first = all_figures[0]
    by_family: dict[str, dict[str, Figures]] = {}
    for figures in all_figures:
        by_family.setdefault(figures.family, {})[figures.plan.axes] = figures
    results = {family: msgspec.to_builtins(figures) for family, figures in by_family.items()}
    return {
        **{family: _at_a_glance(next(iter(figures.values()))) for family, figures in by_family.items()},
        "fedmotion": version("fedmotion"),
        "files": movements.source,
        "sha256": list(movements.sha256),
        "notes": list(movements.notes),
        "seeds": list(range(first.plan.n_seeds)),
        "activities": list(first.plan.activities),
        "results": results.pop(first.family),
        **({"others": results} if results else {}),
    }


def _at_a_glance(figures: Figures) -> dict[str, float | None]:
    return {
        "alone": figures.alone.accuracy.mean,
        "federated": figures.federated.accuracy.mean,
        "personalised": figures.personalised.accuracy.mean if figures.personalised else None,
        "pooled": figures.pooled.accuracy.mean,
    }


def markdown(movements: Movements, all_figures: Sequence[Figures]) -> str:
    """Return the tables, one after the other."""
    lines = [_heading(movements, all_figures[0]), ""]
    if all_figures[0].most_windows < MIN_WINDOWS:
        lines += [
            (
                f"Note: no client has the {MIN_WINDOWS} windows that statistics take, the largest has "
                f"{all_figures[0].most_windows}; a real federation would wait for more recordings."
            ),
            "",
        ]
    for figures in all_figures:
        if len(all_figures) > 1:
            lines += [f"**{_title(figures, all_figures)}**", ""]
        lines += [*_accuracies(figures), "", *_differences(figures), ""]
        if figures.false_alarms is not None:
            lines += [*_false_alarms(figures.false_alarms), ""]
        if figures.turned:
            lines += [*_turned(figures.turned), ""]
    lines += [f"Note: {note}." for note in movements.notes]
    return "\n".join(lines).rstrip() + "\n"


def _title(figures: Figures, all_figures: Sequence[Figures]) -> str:
    axes = _AXES[figures.plan.axes]
    return axes if len({each.family for each in all_figures}) == 1 else f"{figures.family}, {axes}"


def _heading(movements: Movements, figures: Figures) -> str:
    plan = figures.plan
    other = f" and other ({len(plan.other)} kinds)" if plan.other else ""
    split = {"people": "each a person", "classes": "each with some of the gestures"}[plan.split]
    in_turn = f"{len(plan.newcomers)} newcomers each in turn" if len(plan.newcomers) > 1 else "1 newcomer"
    model = f"{figures.n_components} components" if figures.n_components else figures.family
    return (
        f"`{movements.source}`: {len(plan.gestures)} gestures{other}, {in_turn}, "
        f"{figures.n_windows} windows asked, {figures.n_clients} clients ({split}); "
        f"{plan.n_rounds} rounds, {model}; mean ± deviation of {plan.n_seeds} seeds"
    )


def _accuracies(figures: Figures) -> list[str]:
    plan = figures.plan
    traffic = f"{_bytes(figures.bytes_up_per_client)} up, {_bytes(figures.bytes_down_per_client)} down"
    rows = [
        ("each client alone, mean", figures.alone.accuracy, figures.alone.macro_f1, "nothing"),
        ("the best client alone, picked afterwards", figures.alone_best, None, "nothing"),
        ("the worst client alone", figures.alone_worst, None, "nothing"),
        ("**federated**", figures.federated.accuracy, figures.federated.macro_f1, traffic),
        (
            "pooled, the federation's settings",
            figures.pooled_alike.accuracy,
            figures.pooled_alike.macro_f1,
            "all motion",
        ),
        ("pooled, settings tuned", figures.pooled.accuracy, figures.pooled.macro_f1, "all motion"),
    ]
    if figures.personalised and figures.before_personalised:
        rows += [
            (
                f"federated, on the takes that remain without {plan.n_personal} of each gesture",
                figures.before_personalised,
                None,
                traffic,
            ),
            (
                f"personalised with those {plan.n_personal} of each gesture",
                figures.personalised.accuracy,
                figures.personalised.macro_f1,
                "the same",
            ),
            *(
                (f"{way} with those", method.accuracy, method.macro_f1, "the same")
                for way, method in figures.personal.items()
                if way != "fine-tuned"
            ),
        ]
    return [
        "| model | accuracy | macro F1 | what leaves a home |",
        "|---|---|---|---|",
        *(
            f"| {name} | {_pm(share)} | {_pm(f1) if f1 else ''} | {leaves} |"
            for name, share, f1, leaves in rows
        ),
    ]


def _differences(figures: Figures) -> list[str]:
    return [
        "| on the same windows, same seed | points | newcomers, from to |",
        "|---|---|---|",
        *(f"| {_GAINED[name]} | {_points(gained)} |" for name, gained in figures.differences.items()),
    ]


def _points(gained: Difference) -> str:
    return (
        f"{100 * gained.mean:+.1f} ± {100 * gained.sd:.1f} | "
        f"{100 * gained.lowest:+.1f} to {100 * gained.highest:+.1f}"
    )


def _false_alarms(alarms: FalseAlarms) -> list[str]:
    rows: list[tuple[str, Alarms]] = [
        *((f"{client_id}, alone", each) for client_id, each in alarms.alone.items()),
        ("**federated**", alarms.federated),
        ("pooled", alarms.pooled),
    ]
    return [
        (
            f"{alarms.n_unseen} movements of kinds that nobody trained on, {60 * alarms.hours:.1f} minutes "
            "without a pause: false alarms in an hour of it, and the newcomers' gestures recognised. The "
            "fewest of any one client with each newcomer, picked afterwards: "
            f"{_per_hour(alarms.alone_fewest_per_hour)} an hour."
        ),
        "",
        "| model | false alarms an hour | recognised | alarms, threshold chosen in training | recognised |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {_per_hour(each.per_hour)} | {_pm(each.recognised)} | "
            f"{_per_hour(each.chosen_per_hour)} | {_pm(each.chosen_recognised)} |"
            for name, each in rows
        ),
    ]


def _turned(ways: dict[str, Turned]) -> list[str]:
    has_other = all(each.other_kept is not None for each in ways.values())
    heads = ["the newcomer's board", "gestures recognised as it is"]
    for n_known in N_KNOWN:
        takes = f"{n_known} known take{'s' * (n_known > 1)} of each"
        heads += [f"calibrated with {takes}"] + ["other movement stays other"] * has_other
    rows = []
    for way, each in ways.items():
        cells = [way, _pm(each.uncalibrated)]
        for n_known in N_KNOWN:
            cells.append(_pm(each.calibrated[n_known]))
            if each.other_kept is not None:
                cells.append(_pm(each.other_kept[n_known]))
        rows.append(f"| {' | '.join(cells)} |")
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows]


def _pm(value: Spread) -> str:
    return f"{value.mean:.3f} ± {value.sd:.3f}"


def _per_hour(value: Spread) -> str:
    return f"{value.mean:.1f} ± {value.sd:.1f}"


def _bytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:.2f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"
