"""The tables of docs/results.md: each of one `fedmotion evaluate`, whose command stands above it.

Run: python benchmarks/results.py --data ../shared/data [--only NAME] [--document docs/results.md]

A table that `--folder` has already is not made again. With `--document`, what stands between <!-- NAME -->
and <!-- end of NAME --> there becomes the command and its table.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_UTD = "utd_mhad_inertial.npz"
_GESTURES = "swipe_left,swipe_right,wave,draw_circle_cw,draw_circle_ccw,draw_x"
# The other 25 actions in alphabetical order, by turns.
_OTHER = (
    "arm_cross,baseball_swing,bowling,catch,draw_circle_ccw,draw_triangle,jog,lunge,push,squat,"
    "tennis_serve,throw,wave"
)
_UNSEEN = (
    "arm_curl,basketball_shoot,boxing,clap,draw_circle_cw,draw_x,knock,pickup_throw,sit2stand,"
    "stand2sit,tennis_swing,walk"
)

TABLES = {
    "utd-27": f"{_UTD} --axes both",
    "utd-27-classes": f"{_UTD} --split classes",
    "utd-27-networks": f"{_UTD} --model cnn,mlp --seeds 2",
    "utd-27-networks-classes": f"{_UTD} --model cnn,mlp --split classes --seeds 2",
    "utd-6": f"{_UTD} --labels {_GESTURES} --axes both",
    "utd-6-classes": f"{_UTD} --labels {_GESTURES} --split classes",
    "alarms": f"{_UTD} --labels swipe_left,swipe_right --other {_OTHER} --unseen {_UNSEEN} --one-sided",
    "mounting": f"{_UTD} --labels swipe_left,swipe_right --other {_OTHER} --turned --personal 0",
    "airletters": "airletters_iphone5.npz",
    "wand": "techin515_mpu6050_wand.npz --axes accel",
    "punch-flex": "arduino_punch_flex.npz",
    "personal-wand": "techin515_mpu6050_wand.npz --axes accel --personal 3",
    "personal-punch-flex": "arduino_punch_flex.npz --personal 3",
    "personal-utd-6": f"{_UTD} --labels {_GESTURES} --personal 3",
    "ambiq": "ambiq_mpu6050_har.npz --windows fixed --rate-hz 20",
    "bikelock": "bikelock_fl_accel.npz --axes accel",
    "watch": "wisdm_watch_60s_int16.npz --windows fixed --rate-hz 20 --newcomers 1600,1610,1620 --seeds 2",
}


def command_of(name: str) -> str:
    """Return what a reader types."""
    return f"fedmotion evaluate {TABLES[name]}"


def make(name: str, data: Path, folder: Path) -> str:
    """Return the table, run now unless `folder` has it."""
    path = folder / f"{name}.md"
    if not path.is_file():
        file, *options = shlex.split(TABLES[name])
        written = {"--json": folder / f"{name}.json", "--markdown": path, "--pictures": folder / name}
        outputs = [word for option in written.items() for word in option]
        start_s = time.monotonic()
        subprocess.run(
            [Path(sys.executable).with_name("fedmotion"), "evaluate", data / file, *options, *outputs],
            check=True,
        )
        print(f"{name}: {time.monotonic() - start_s:.0f} s", file=sys.stderr)
    return path.read_text("utf-8")


def goals(folder: Path, before: str = "") -> str:
    """Return how far each goal is reached, from the figures of the tables that are there.

    Where `folder` has no figures, the rows of `before` stay.
    """
    rows = ["| goal | limit | here | table |", "|---|---|---|---|"]
    for name in TABLES:
        if not (folder / f"{name}.json").is_file():
            rows += [row for row in before.splitlines() if row.endswith(f"| `{name}` |")]
            continue
        results = json.loads((folder / f"{name}.json").read_bytes())["results"]
        rows += [
            f"| {goal} | {limit} | {value:.3f}{'' if is_reached else ', **not reached**'} | `{name}` |"
            for goal, limit, value, is_reached in _goals_of(
                name, results["six" if "six" in results else "accel"]
            )
        ]
    return "\n".join(rows)


def _goals_of(name: str, figures: Any) -> Iterator[tuple[str, str, float, bool]]:
    if name.startswith("utd-"):
        behind = -figures["differences"]["federated - pooled"]["mean"]
        clients = "classes split between clients" if name.endswith("-classes") else "by person"
        model = "cnn, " if "-networks" in name else ""
        limit = 0.01 if not model else 0.06 if name.endswith("-classes") else 0.03
        yield f"{model}federated behind pooled, {clients}", f"at most {limit:.3f}", behind, behind <= limit
    if name in ("utd-27", "utd-27-networks"):
        pooled = figures["pooled"]["accuracy"]["mean"]
        model, least = ("", 0.76) if name == "utd-27" else ("cnn, ", 0.78)
        yield f"{model}pooled, 27 actions", f"at least {least}", pooled, pooled >= least
    if name == "alarms":
        alarms = figures["false_alarms"]
        federated = alarms["federated"]["per_hour"]["mean"]
        best = min(each["per_hour"]["mean"] for each in alarms["alone"].values())
        ratio = federated / best
        yield "false alarms, federated to the best client's", "at most 0.5", ratio, ratio <= 0.5
        ratio = federated / alarms["alone_fewest_per_hour"]["mean"]
        yield (
            "the same to whichever client is best with each newcomer and seed, picked afterwards",
            "at most 0.5",
            ratio,
            ratio <= 0.5,
        )
    if name == "mounting":
        worst = min(each["calibrated"]["1"]["mean"] for each in figures["turned"].values())
        yield (
            "swipes recognised, board turned or mirrored, calibrated by one take of each; the worst way",
            "at least 0.95",
            worst,
            worst >= 0.95,
        )


def insert(document: str, name: str, text: str) -> str:
    """Return `document` with `text` between the two marks of `name`."""
    marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if any(document.count(mark) != 1 for mark in marks):
        raise SystemExit(f"the document needs {marks[0]} and {marks[1]}, each once")
    return re.sub(
        f"{marks[0]}.*{marks[1]}", lambda _: f"{marks[0]}\n{text}\n{marks[1]}", document, flags=re.DOTALL
    )


def main() -> None:
    """Make the tables and print them, or put them into the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of recording files")
    parser.add_argument(
        "--folder", type=Path, default=Path("build/results"), help="JSON, tables and pictures"
    )
    parser.add_argument("--only", choices=TABLES, action="append", help="these tables; without it all")
    parser.add_argument("--document", type=Path, help="put the tables in here instead of printing them")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.only or TABLES:
        text = f"\n    {command_of(name)}\n\n{make(name, arguments.data, arguments.folder)}"
        if arguments.document is None:
            print(f"## {name}\n{text}")
        else:
            document = arguments.document.read_text("utf-8")
            arguments.document.write_text(insert(document, name, text), "utf-8")
    if arguments.document is None:
        print(f"## goals\n\n{goals(arguments.folder)}")
    else:
        document = arguments.document.read_text("utf-8")
        arguments.document.write_text(insert(document, "goals", goals(arguments.folder, document)), "utf-8")


if __name__ == "__main__":
    main()
