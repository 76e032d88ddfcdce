"""What is in the lake, in MongoDB and in Kafka's own outputs: the demo's findings, each read back from where
a user would read it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from broker.offsets import Offsets
from broker.reader import PartitionReader
from broker.record import TopicPartition
from contracts.registry import Registry
from contracts.render import SignalState, render_state
from fleetlake.demo.plan import USE_CASE_SOURCE, USE_CASE_VEHICLE
from fleetlake.settings import Settings
from lake.query import Warehouse
from lake.state import StateStore

COUNTS = """
select source, error, count(*) as messages
from bronze.events
group by all
"""

STATE_AS_OF = """
with readings as (
    select unnest(signals, recursive := true)
    from bronze.events
    where vehicle_id = ? and source = ?
)
select signal,
    arg_max(value, (effective_time, value)) as value,
    epoch_us(max(effective_time)) as effective_time_us
from readings
where effective_time <= ?::timestamptz
group by signal
"""

TRIP_DISTANCES = """
select vehicle_id, sum(distance_km) as distance_km
from gold.trips
where vehicle_id in (select unnest(?))
group by vehicle_id
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of bronze by source, and those rejected by reason."""

    rows: Mapping[str, int]
    rejected: Mapping[str, int]

    def since(self, before: "Counts") -> "Counts":
        """What was added."""
        return Counts(_difference(self.rows, before.rows), _difference(self.rejected, before.rejected))


def trip_distances(warehouse: Warehouse, vehicles: Sequence[str]) -> dict[str, float]:
    """Kilometres of all trips of each vehicle."""
    rows = warehouse.query(TRIP_DISTANCES, [list(vehicles)]).table().to_pylist()
    return {row["vehicle_id"]: row["distance_km"] for row in rows}


def count_rows(warehouse: Warehouse) -> Counts:
    """All rows of bronze."""
    rows: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for found in warehouse.query(COUNTS).table().to_pylist():
        rows[found["source"]] += found["messages"]
        if found["error"] is not None:
            rejected[found["error"]] += found["messages"]
    return Counts(rows, rejected)


def document_as_of(warehouse: Warehouse, registry: Registry, time: str) -> dict[str, Any]:
    """The use-case vehicle's document as it was at a time, computed from the history."""
    asked = [USE_CASE_VEHICLE, USE_CASE_SOURCE, time]
    rows = warehouse.query(STATE_AS_OF, asked).table().to_pylist()
    state = {row["signal"]: SignalState(row["effective_time_us"], row["value"]) for row in rows}
    return render_state(registry.contracts[USE_CASE_SOURCE], USE_CASE_VEHICLE, state, 0)


def document_now(store: StateStore, registry: Registry) -> dict[str, Any]:
    """The use-case vehicle's document as MongoDB has it."""
    found = store.read(USE_CASE_VEHICLE)
    signals = {} if found is None else found.signals
    state = {name: SignalState(entry.t, entry.v) for name, entry in signals.items()}
    written_us = 0 if found is None else found.written_us
    return render_state(registry.contracts[USE_CASE_SOURCE], USE_CASE_VEHICLE, state, written_us)


def state_values(store: StateStore, vehicles: list[str], signal: str) -> dict[str, float]:
    """One signal of several vehicles."""
    found = store.read_many(vehicles)
    return {name: float(of.signals[signal].v) for name, of in found.items() if signal in of.signals}


def dead_letter_ends(settings: Settings, registry: Registry) -> dict[TopicPartition, int]:
    """Where the dead-letter topics end now."""
    topics = sorted({contract.dead_letter_topic for contract in registry.contracts.values()})
    return Offsets(settings.kafka).ends(topics)


def count_dead_letters(
    settings: Settings, registry: Registry, since: Mapping[TopicPartition, int]
) -> dict[str, int]:
    """Dead letters after those places, by reason: what a read-committed reader finds."""
    reasons: Counter[str] = Counter()
    with PartitionReader(settings.kafka) as reader:
        for place, end in dead_letter_ends(settings, registry).items():
            for records in reader.read(place, since.get(place, 0), end):
                reasons.update(json.loads(value)["error"] for value in records.values if value)
    return dict(reasons)


def read_maxima(settings: Settings, registry: Registry) -> dict[str, float]:
    """The greatest pressure of every vehicle, as the compacted topic says it last."""
    output = registry.contracts["pressure"].maximum
    if output is None:
        return {}
    latest: dict[str, float] = {}
    with PartitionReader(settings.kafka) as reader:
        for place, end in Offsets(settings.kafka).ends([output.topic]).items():
            for records in reader.read(place, reader.ends(place)[0], end):
                for value in filter(None, records.values):
                    document = json.loads(value)
                    latest[document["vehicleId"]] = float(document["pressureMax"])
    return latest


def _difference(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    changed = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in changed.items() if count}
