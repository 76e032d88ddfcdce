"""From decoded messages to the facts that rules are judged by, vehicle by vehicle. What no rule asks for is
left out while it is still in columns."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from contracts.anomalies import find_anomalies
from contracts.registry import Registry
from ingest.alerts.rules import ANOMALY, MESSAGE, RuleSet
from ingest.alerts.track import Fact
from ingest.alerts.values import Value
from ingest.decoding import DecodedRun

SENSOR: Final = "@"
"""Between a signal and its sensor. Names of signals have none."""

Facts = dict[str, list[Fact]]


class FactFinder:
    """Of the rules of one file."""

    def __init__(self, registry: Registry, rules: RuleSet) -> None:
        self._registry = registry
        self._names = rules.names
        self._signals = pa.array(sorted({name.partition(SENSOR)[0] for name in rules.names}), pa.string())
        self._needs_messages = MESSAGE in rules.names
        self._needs_anomalies = any(name.startswith(ANOMALY) for name in rules.names)
        self._needs_sensors = any(SENSOR in name for name in rules.names)

    def find(self, run: DecodedRun) -> Facts:
        """The facts of messages of one topic, by vehicle."""
        found: Facts = defaultdict(list)
        flat, vehicles = _flat(run.decoded)
        self._add_signals(flat, vehicles, found)
        if self._needs_messages:
            _add_messages(flat, vehicles, found)
        if self._needs_anomalies:
            self._add_anomalies(run, found)
        return found

    def _add_signals(self, flat: pa.StructArray, vehicles: pa.Array, found: Facts) -> None:
        wanted = pc.is_in(flat.field("signal"), value_set=self._signals)
        rows = flat.filter(wanted)
        columns = _lists(rows, ("signal", "sensor", "value", "text"))
        times = rows.field("effective_time").cast(pa.int64()).to_pylist()
        for vehicle, t, signal, sensor, value, text in zip(
            vehicles.filter(wanted).to_pylist(), times, *columns, strict=True
        ):
            held: Value = text if value is None else value
            if signal in self._names:
                found[vehicle].append(Fact(t, signal, held))
            if self._needs_sensors and sensor is not None and f"{signal}{SENSOR}{sensor}" in self._names:
                found[vehicle].append(Fact(t, f"{signal}{SENSOR}{sensor}", held))

    def _add_anomalies(self, run: DecodedRun, found: Facts) -> None:
        contract = self._registry.for_topic(run.records.topic)
        if contract is None:
            return
        anomalies = find_anomalies(run.decoded, self._registry.catalog, contract)
        times = anomalies.column("effective_time").cast(pa.int64()).to_pylist()
        columns = (anomalies.column(name).to_pylist() for name in ("vehicle_id", "kind", "value"))
        for t, vehicle, kind, value in zip(times, *columns, strict=True):
            if f"{ANOMALY}{kind}" in self._names:
                found[vehicle].append(Fact(t, f"{ANOMALY}{kind}", value))


def join(parts: Iterable[Mapping[str, Iterable[Fact]]]) -> Facts:
    """All of them, by vehicle."""
    joined: Facts = defaultdict(list)
    for part in parts:
        for vehicle, facts in part.items():
            joined[vehicle] += facts
    return joined


def _flat(decoded: pa.RecordBatch) -> tuple[pa.StructArray, pa.Array]:
    """One row a reading, and its vehicle."""
    signals = decoded.column("signals")
    return pc.list_flatten(signals), decoded.column("vehicle_id").take(pc.list_parent_indices(signals))


def _add_messages(flat: pa.StructArray, vehicles: pa.Array, found: Facts) -> None:
    """The latest of each vehicle is enough."""
    heard = pa.table({"vehicle": vehicles, "t": flat.field("effective_time").cast(pa.int64())})
    latest = heard.group_by("vehicle").aggregate([("t", "max")])
    for vehicle, t in zip(latest["vehicle"].to_pylist(), latest["t_max"].to_pylist(), strict=True):
        found[vehicle].append(Fact(t, MESSAGE, 0.0))


def _lists(rows: pa.StructArray, names: Iterable[str]) -> list[list[object]]:
    return [rows.field(name).to_pylist() for name in names]
