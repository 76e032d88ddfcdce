"""Ingest against a bare consumer: the same topic, the same run, in turn.

Fills a topic with full-size `tcu` messages (about 250 bytes, 1,000 vehicles), and one each for the routes
sink with 5 % dead letters and pressure readings among the traffic. Then a bare `consume` loop at its best
settings and each sink take turns, every one in a process of its own; the medians of the rounds are compared.
`together` is all three sinks at once on the mixed load: its rate counts from the first message that any of
them reads to the last commit of all. Prints one JSON document.

The sinks tell Python to look for cyclic garbage seldom, which alone doubles the rate of a bare loop. So there
are two of those: `bare` in Python as it comes, and `lean` with that setting. `--plain` leaves the sinks in
Python as it comes, too.

    python benchmarks/ingest.py --messages 2000000
    python benchmarks/ingest.py --broker real --store minio --messages 5000000
    python benchmarks/ingest.py --broker 127.0.0.1:9092 --sinks history
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not this folder: its `ingest` is this script

from benchmarks.measured import BARE, SINKS, run_child  # noqa: E402 - after the path of the checkout
from benchmarks.servers import REAL, broker, database, store  # noqa: E402
from benchmarks.traffic import fill_topics  # noqa: E402

TOGETHER = "together"
Figures = dict[str, float]


class Bench:
    """The servers and topics of one run, and the processes that are measured on them."""

    def __init__(self, arguments: argparse.Namespace, stack: ExitStack) -> None:
        self.arguments = arguments
        self.scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleetlake-bench-")))
        self.address = stack.enter_context(broker(arguments.broker, self.scratch))
        self.mongo = stack.enter_context(database(self.scratch))
        self.lake = stack.enter_context(store(arguments.store, self.scratch))
        self.topics = fill_topics(self.address, arguments.messages, arguments.sinks)
        self.results: dict[str, list[Figures]] = {}

    def beside_bare(self, name: str, number: int) -> None:
        """A sink and the bare loops, in turn."""
        for who in (*BARE, name):
            figure = _figures(self._start(who, name, number))
            self._note(f"{who} for {name}" if who in BARE else name, figure, number)

    def together(self, number: int) -> None:
        """All sinks at once."""
        running = {name: self._start(name, TOGETHER, number) for name in SINKS}
        figures = {name: _figures(process) for name, process in running.items()}
        began = min(figure["began"] for figure in figures.values())
        ended = max(figure["ended"] for figure in figures.values())
        for name, figure in figures.items():
            self._note(f"{name} of {TOGETHER}", figure, number)
        self._note(TOGETHER, {"events_per_s": self.arguments.messages / (ended - began)}, number)

    def _start(self, who: str, load: str, number: int) -> subprocess.Popen[str]:
        folder = self.scratch / f"{load}-{who}-{number}"
        folder.mkdir()
        lake = self.lake.model_copy(update={"uri": f"{self.lake.uri}/{folder.name}"})
        words = [who, "--broker", self.address, "--mongo", self.mongo, "--scratch", str(folder)]
        words += ["--messages", str(self.arguments.messages), "--topics", *self.topics[load]]
        words += ["--lake", _revealed(lake)]
        words += [] if self.arguments.broker else ["--embedded"]
        words += ["--plain"] if self.arguments.plain else []
        words += ["--together"] if load == TOGETHER else []
        return subprocess.Popen(
            [sys.executable, __file__, "--child", *words], stdout=subprocess.PIPE, text=True
        )

    def _note(self, name: str, figure: Figures, number: int) -> None:
        self.results.setdefault(name, []).append(figure)
        print(f"round {number + 1} {name:20} {figure}", file=sys.stderr, flush=True)
        for folder in self.scratch.glob(f"*-{number}"):
            shutil.rmtree(folder)


def _figures(process: subprocess.Popen[str]) -> Figures:
    """What a child measured of itself; its last line is the result."""
    out, _ = process.communicate()
    assert process.returncode == 0, "a measured process failed"
    result: Figures = json.loads(out.splitlines()[-1])
    return result


def _revealed(lake: Any) -> str:
    """The settings with their secret, for a child on this machine."""
    values = lake.model_dump(mode="json")
    if lake.s3.secret_access_key is not None:
        values["s3"]["secret_access_key"] = lake.s3.secret_access_key.get_secret_value()
    return json.dumps(values)


def compare(arguments: argparse.Namespace) -> None:
    """Every sink beside a bare loop, in turn, `rounds` times."""
    with ExitStack() as stack:
        bench = Bench(arguments, stack)
        for number in range(arguments.rounds):
            for name in arguments.sinks:
                if name == TOGETHER:
                    bench.together(number)
                else:
                    bench.beside_bare(name, number)
        print(json.dumps(report(arguments, bench.results), indent=2))


def report(arguments: argparse.Namespace, results: dict[str, list[Figures]]) -> dict[str, Any]:
    """Medians, and each sink's ratios to the bare loops of the same rounds."""
    medians = {name: median(figures) for name, figures in results.items()}
    return {
        "messages": arguments.messages,
        "rounds": arguments.rounds,
        "cores": os.cpu_count(),
        "broker": "Apache Kafka" if arguments.broker == REAL else arguments.broker or "embedded",
        "store": arguments.store,
        "sinks_in": "Python as it comes" if arguments.plain else "Python that collects garbage seldom",
        "medians": medians,
        "ratios": {name: ratios(name, results, medians) for name in arguments.sinks if name != TOGETHER},
    }


def ratios(name: str, results: dict[str, list[Figures]], medians: dict[str, Figures]) -> Figures:
    """A sink against both bare loops."""
    found: Figures = {}
    for who in BARE:
        pairs = zip(results[name], results[f"{who} for {name}"], strict=True)
        rates = [(mine["events_per_s"] / other["events_per_s"]) for mine, other in pairs]
        cpu = medians[name]["cpu_s_per_million"] / medians[f"{who} for {name}"]["cpu_s_per_million"]
        found |= {f"to_{who}": statistics.median(rates), f"cpu_to_{who}": cpu}
    return found


def median(results: list[Figures]) -> Figures:
    """The median of each figure."""
    keys = results[0].keys() - {"began", "ended"}
    return {key: statistics.median(result[key] for result in results) for key in sorted(keys)}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=2_000_000)
    parser.add_argument(
        "--broker", help="real: Apache Kafka (make real-services); HOST:PORT; default: an embedded broker"
    )
    parser.add_argument("--store", choices=["folder", "minio"], default="folder")
    parser.add_argument("--sinks", nargs="+", choices=[*SINKS, TOGETHER], default=[*SINKS, TOGETHER])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain", action="store_true", help="leave the sinks in Python as it comes")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--together", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--embedded", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--mongo", default="", help=argparse.SUPPRESS)
    parser.add_argument("--lake", default="", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", default="", help=argparse.SUPPRESS)
    parser.add_argument("--topics", nargs="*", default=[], help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    asked = parse()
    if asked.child:
        run_child(asked)
    else:
        compare(asked)
