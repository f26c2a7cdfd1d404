"""The tables of docs/results.md: each of one `fedmotion evaluate`, whose command stands above it.

Run: python benchmarks/results.py --data ../shared/data [--only NAME] [--document docs/results.md]

A table that `--folder` has already is not made again. With `--document`, what stands between <!-- NAME -->
and <!-- end of NAME --> there becomes the command and its table.
"""

import argparse
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

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
    "utd-6": f"{_UTD} --labels {_GESTURES} --axes both",
    "utd-6-classes": f"{_UTD} --labels {_GESTURES} --split classes",
    "alarms": f"{_UTD} --labels swipe_left,swipe_right --other {_OTHER} --unseen {_UNSEEN} --one-sided",
    "mounting": f"{_UTD} --labels swipe_left,swipe_right --other {_OTHER} --turned --personal 0",
    "airletters": "airletters_iphone5.npz",
    "wand": "techin515_mpu6050_wand.npz --axes accel",
    "punch-flex": "arduino_punch_flex.npz",
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


if __name__ == "__main__":
    main()
