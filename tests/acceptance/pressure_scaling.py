"""The greatest pressure per vehicle is the same with 1 and with 3 routes processes, across kills and scaling.

The same messages are sent three times, to topics of their own on one embedded broker: to one process; to
three; and to three of which two are stopped half way. All the while processes are killed with SIGKILL, in
every step of a transaction, and started again. What a read-committed reader sees in the end is compared with
a plain computation over all sent messages: the maxima, that no output of a vehicle is below an earlier one,
the dead letters, and the sums of the counters. Prints a JSON verdict; exits 1 if anything is off.

    python -m tests.acceptance.pressure_scaling --messages 60000 --rate 2000
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from broker.offsets import group_offsets, log_ends
from broker.settings import KafkaSettings
from fleetlake.stack.embedded import start_kafka
from ingest.settings import IngestSettings
from ingest.steps import RoutesStep
from tests.ingest.routes_fleet import Fleet, problems, project_root
from tests.ingest.routes_process import TRANSACTION

DRAIN_SECONDS = 120.0
TICK_SECONDS = 0.1
TRANSACTIONS_BEFORE_DEATH = (2, 9, 4, 14, 6)


class Crew:
    """Routes processes that kill themselves in one step after the other, and are started again."""

    def __init__(self, fleet: Fleet, size: int, folder: Path) -> None:
        self.kills: Counter[str] = Counter()
        self.unexpected: list[int] = []
        self._fleet, self._folder = fleet, folder
        self._steps, self._counts = cycle(TRANSACTION), cycle(TRANSACTIONS_BEFORE_DEATH)
        self._doomed: dict[int, RoutesStep | None] = {}
        self._living: dict[int, subprocess.Popen[bytes]] = {}
        for member in range(size):
            self._start(member, is_doomed=True)

    def look(self) -> None:
        """Starts again what died."""
        for member, process in list(self._living.items()):
            code = process.poll()
            if code is None:
                continue
            step = self._doomed[member]
            if code == -signal.SIGKILL and step is not None:
                self.kills[step] += 1
            else:
                self.unexpected.append(code)
            self._start(member, is_doomed=True)

    def shrink_to_one(self) -> list[int]:
        """Stops all but the first, as an operator does; their exit codes."""
        return [self._stop(member) for member in sorted(self._living)[1:]]

    def calm(self) -> None:
        """From now on nobody dies: the living are stopped, and others take their places."""
        for member in sorted(self._living):
            self._stop(member)
            self._start(member, is_doomed=False)

    def end(self) -> list[int]:
        """Stops everyone; their exit codes."""
        return [self._stop(member) for member in sorted(self._living)]

    def kill(self) -> None:
        for process in self._living.values():
            process.kill()
            process.wait()

    def _start(self, member: int, *, is_doomed: bool) -> None:
        fleet = self._fleet
        crash = [next(self._steps), str(next(self._counts))] if is_doomed else []
        words = [fleet.kafka.model_dump_json(), fleet.ingest.model_dump_json(), fleet.suffix, *crash]
        with (self._folder / f"{fleet.suffix}-{member}.log").open("ab") as log:
            self._living[member] = subprocess.Popen(
                [sys.executable, "-m", "tests.ingest.routes_process", *words], cwd=project_root(), stderr=log
            )
        self._doomed[member] = RoutesStep(crash[0]) if crash else None

    def _stop(self, member: int) -> int:
        """0, also for one that died by its own hand just before. One that is not up yet is waited for."""
        process = self._living.pop(member)
        while process.poll() is None and process.pid not in self._fleet.members():
            time.sleep(TICK_SECONDS)
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
        if code == -signal.SIGKILL and self._doomed[member]:
            self.kills[str(self._doomed[member])] += 1
            return 0
        return code


@contextmanager
def crew_of(fleet: Fleet, size: int, folder: Path) -> Iterator[Crew]:
    crew = Crew(fleet, size, folder)
    try:
        yield crew
    finally:
        crew.kill()


def send_paced(fleet: Fleet, crew: Crew, arguments: argparse.Namespace, *, shrink: bool) -> list[int]:
    """Sends everything at the rate asked for; pressures rise all the time, so that maxima do. Exit codes of
    the processes that were stopped half way."""
    began, sent, codes = time.monotonic(), 0, list[int]()
    batch = max(1, int(arguments.rate * TICK_SECONDS))
    while sent < arguments.messages:
        count = min(batch, arguments.messages - sent)
        fleet.send_traffic(count, up_to=200_000.0 + 800_000.0 * sent / arguments.messages)
        sent += count
        crew.look()
        if shrink and not codes and sent >= arguments.messages / 2:
            codes = crew.shrink_to_one()
        time.sleep(max(0.0, began + sent / arguments.rate - time.monotonic()))
    return codes


def wait_until_drained(fleet: Fleet) -> float:
    """Seconds until the group has committed everything."""
    began = time.monotonic()
    topics = [fleet.topic("car"), fleet.topic("pressure"), fleet.internal_topic]
    while time.monotonic() - began < DRAIN_SECONDS:
        done = group_offsets(fleet.kafka, "routes")
        if all(done.get(place, 0) >= end for place, end in log_ends(fleet.kafka, topics).items()):
            return round(time.monotonic() - began, 2)
        time.sleep(0.1)
    message = f"not everything was routed within {DRAIN_SECONDS:g} s"
    raise SystemExit(message)


def scenario(
    name: str, size: int, kafka: KafkaSettings, folder: Path, arguments: argparse.Namespace, *, shrink: bool
) -> dict[str, Any]:
    """One run of all messages; what was found."""
    settings = kafka.model_copy(update={"group_prefix": name})
    ingest = IngestSettings(runtime_dir=folder / "run" / name, transaction_seconds=0.1)
    fleet = Fleet(settings, ingest, name, seed=arguments.seed)
    fleet.create_topics()
    with crew_of(fleet, size, folder) as crew:
        codes = send_paced(fleet, crew, arguments, shrink=shrink)
        crew.calm()
        drained = wait_until_drained(fleet)
        codes += crew.end()
    maxima = fleet.maxima()
    found: dict[str, float] = {}
    for each in maxima:
        found[each.fields["vehicleId"]] = max(
            each.fields["pressureMax"], found.get(each.fields["vehicleId"], 0)
        )
    return {
        "processes": f"{size} to 1" if shrink else size,
        "messages": len(fleet.sent),
        "kills": dict(crew.kills),
        "other_deaths": crew.unexpected,
        "exit_codes_of_stops": codes,
        "drained_s": drained,
        "outputs": len(maxima),
        "dead_letters": len(fleet.dead_letters()),
        "maxima": dict(sorted(found.items())),
        "expected": dict(sorted(fleet.greatest.items())),
        "problems": problems(fleet),
    }


def verdict(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything right, everything the same, and killed in every step."""
    kills: Counter[str] = Counter()
    for each in runs:
        kills.update(each["kills"])
    is_right = all(not each["problems"] and each["maxima"] == each["expected"] for each in runs)
    is_same = all(each["maxima"] == runs[0]["maxima"] for each in runs)
    is_clean = all(not any(each["exit_codes_of_stops"]) and not each["other_deaths"] for each in runs)
    is_killed = all(kills[step] for step in TRANSACTION)
    return {
        "ok": is_right and is_same and is_clean and is_killed,
        "same_maxima": is_same,
        "kills_by_step": dict(kills),
        "runs": runs,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=60_000, help="of each of the three runs")
    parser.add_argument("--rate", type=float, default=2_000.0, help="messages a second")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--keep", type=Path, help="folder for logs; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        server = start_kafka(Path(temporary) / "kafka")
        try:
            incarnation = folder / "incarnation"
            incarnation.write_text("one")
            kafka = KafkaSettings(bootstrap_servers=server.address, incarnation_file=incarnation)
            runs = [
                scenario(name, size, kafka, folder, arguments, shrink=shrink)
                for name, size, shrink in (("one", 1, False), ("three", 3, False), ("fewer", 3, True))
            ]
        finally:
            server.stop()
    result = verdict(runs)
    print(json.dumps(result, indent=2))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
