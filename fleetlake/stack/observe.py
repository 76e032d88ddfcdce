"""What the running sinks say about themselves: their Prometheus endpoints, found by the cards they leave in
the run folder. Several processes of one sink are added up."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Card:
    """A sink process and the port of its metrics."""

    path: Path
    sink: str
    pid: int
    port: int


@dataclass(slots=True)
class SinkNumbers:
    """The counters and gauges of one sink, over all its processes."""

    records: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    lag: dict[str, int] = field(default_factory=dict)
    processes: int = 0

    @property
    def total_lag(self) -> int:
        return sum(self.lag.values())

    @property
    def total_rejected(self) -> int:
        return sum(self.rejected.values())

    def add(self, sample: Sample) -> None:
        """Takes one Prometheus sample in; those of no interest are left out."""
        labels, value = sample.labels, int(sample.value)
        if sample.name == "fleetlake_records_total":
            self.records += value
        elif sample.name == "fleetlake_rejected_total":
            self.rejected[labels["reason"]] = self.rejected.get(labels["reason"], 0) + value
        elif sample.name == "fleetlake_lag":
            place = f"{labels['topic']}/{labels['partition']}"
            self.lag[place] = max(self.lag.get(place, 0), value)


def read_sinks(run: Path) -> dict[str, SinkNumbers]:
    """The numbers of every sink that answers."""
    found: dict[str, SinkNumbers] = {}
    for card in cards(run):
        with suppress(OSError, ValueError):
            samples = list(_samples(card.port))
            numbers = found.setdefault(card.sink, SinkNumbers())
            numbers.processes += 1
            for sample in samples:
                numbers.add(sample)
    return found


def cards(run: Path) -> list[Card]:
    """The cards of processes that run; one left by a crash is removed."""
    found = []
    for path in sorted(run.glob("*-*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            values = json.loads(path.read_text())
            card = Card(path, str(values["sink"]), int(values["pid"]), int(values["port"]))
            if psutil.pid_exists(card.pid):
                found.append(card)
            else:
                path.unlink(missing_ok=True)
    return found


def _samples(port: int) -> Iterator[Sample]:
    url = f"http://127.0.0.1:{port}/metrics"
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
        text = response.read().decode()
    for family in text_string_to_metric_families(text):
        yield from family.samples
