"""What a transform costs as history grows, against the same work done naively.

Two lakes get as many readings a day, one of few days and one of many (`benchmarks/history.py`).

- `increment`: the hot lane of silver takes in a commit of bronze, 1 % of which is late by up to three weeks
  and waits for the late lane, whose cost stands beside it. Naively: all of silver tells what is new.
- `day`: one day of each mart that is made from days. Naively: the mart is made from all of silver.
- `half_a_day`: of the longest history alone: twelve hours, minute by minute a commit and an increment, every
  thirty the tidying of today and the marts that are due. They are replaced by each build: whether they were
  built every five minutes is not seen by who asks.
- `queries`: a vehicle's day out of `gold.signal_minute`, a vehicle's latest values, and the latest positions
  of the fleet as Arrow, through the views that people query. Naively: out of silver.

Every figure is of a process of its own; the lakes take turns, and medians are compared. CPU is without that
of imports, read bytes are what the process asked the file system for, without DuckDB's own extensions. Prints
one JSON document.

    python benchmarks/transforms.py --days 5 100 --rows-a-day 1000000
    python benchmarks/transforms.py --days 2 8 --rows-a-day 50000 --new 20000 --rounds 1
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not this folder: its `transforms` is this script

from benchmarks.history import Size, fill, land  # noqa: E402 - after the path of the checkout
from benchmarks.transforms_measured import DAY, NAIVE, TIMED, WORK, Figures, run_child  # noqa: E402
from lake.settings import LakeSettings  # noqa: E402

COMPARED = ("cpu_s", "read_mib", "seconds")


class Bench:
    """The lakes of one run, and the processes that are measured on them."""

    def __init__(self, arguments: argparse.Namespace, scratch: Path) -> None:
        self.arguments = arguments
        self.sizes = [Size(days, arguments.rows_a_day) for days in arguments.days]
        self.lakes = [scratch / f"of_{size.days}_days" for size in self.sizes]
        self.results: dict[str, dict[Path, list[Figures]]] = {}

    def fill(self) -> None:
        for size, lake in zip(self.sizes, self.lakes, strict=True):
            _tell(f"filling {lake.name} with {size.rows:,} rows")
            fill(LakeSettings(uri=str(lake)), size)

    def increments(self) -> None:
        """Each round lands a commit, which both lanes then read."""
        for number in range(self.arguments.rounds):
            for size, lake in zip(self.sizes, self.lakes, strict=True):
                land(LakeSettings(uri=str(lake)), size, self.arguments.new, number)
            for work in ("naive_increment", "increment", "late_increment"):
                self._turn(work, number)

    def days(self) -> None:
        """The first round makes what the others read."""
        for number in range(self.arguments.rounds):
            for work in (*DAY, *NAIVE):
                self._turn(work, number)

    def half_a_day(self) -> None:
        """As the schedules have it; what it leaves is what the queries find."""
        self._make_marts()
        self._turn("half_a_day", 0, self.lakes[-1:])

    def queries(self) -> None:
        self._make_marts()
        for work in ("queries", "naive_queries"):
            self._turn(work, 0)

    def _make_marts(self) -> None:
        if "due_marts" not in self.results:
            self._turn("due_marts", 0)

    def _turn(self, work: str, number: int, lakes: Sequence[Path] | None = None) -> None:
        for lake in self.lakes if lakes is None else lakes:
            figures = _measured(work, lake, number)
            self.results.setdefault(work, {}).setdefault(lake, []).append(figures)
            _tell(f"round {number + 1} {work:24} {lake.name:14} {figures}")

    def report(self) -> dict[str, object]:
        """Medians of each lake, and what the longest history costs in terms of the shortest."""
        medians = {work: [_median(each) for each in found.values()] for work, found in self.results.items()}
        growth = {
            work: {name: found[-1][name] / found[0][name] for name in COMPARED if found[0].get(name)}
            for work, found in medians.items()
            if len(found) > 1
        }
        return {
            "cores": os.cpu_count(),
            "rows": [size.rows for size in self.sizes],
            "days": [size.days for size in self.sizes],
            "new_rows": self.arguments.new,
            "rounds": self.arguments.rounds,
            "medians": medians,
            "longest_to_shortest": growth,
        }


def _measured(work: str, lake: Path, number: int) -> Figures:
    """What a child measured of itself; its last line is the result."""
    words = [sys.executable, __file__, "--child", work, "--lake", str(lake), "--number", str(number)]
    out = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    found: Figures = json.loads(out.splitlines()[-1])
    return found


def _median(figures: list[Figures]) -> Figures:
    return {name: statistics.median(each[name] for each in figures) for name in figures[0]}


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--days", type=int, nargs=2, default=[5, 100], help="of the short and the long history"
    )
    parser.add_argument("--rows-a-day", type=int, default=1_000_000)
    parser.add_argument("--new", type=int, default=500_000, help="rows of an increment")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=[*PARTS], default=[*PARTS])
    parser.add_argument("--keep", type=Path, help="a folder for the lakes; they are filled where it has none")
    parser.add_argument("--child", choices=[*WORK, *TIMED], help=argparse.SUPPRESS)
    parser.add_argument("--lake", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


PARTS: dict[str, Callable[[Bench], None]] = {
    "increment": Bench.increments,
    "day": Bench.days,
    "half_a_day": Bench.half_a_day,
    "queries": Bench.queries,
}


def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="fleetlake-bench-") as temporary:
        bench = Bench(arguments, arguments.keep or Path(temporary))
        if not all(lake.exists() for lake in bench.lakes):
            bench.fill()
        for part in arguments.only:
            PARTS[part](bench)
        print(json.dumps(bench.report(), indent=2))


if __name__ == "__main__":
    asked = parse()
    if asked.child:
        run_child(asked.child, LakeSettings(uri=str(asked.lake)), asked.number)
    else:
        main(asked)
