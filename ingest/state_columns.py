"""From a decoded run to one row per signal that may be somebody's state: columns only, no Python per signal.

A row's `key` is the signal's name, or name, NUL and sensor where the contract keeps sensors apart; names are
percent-encoded and hold no NUL. Rows of signals that no catalog knows may remain: `state_reduce` drops them.
"""

from dataclasses import dataclass
from itertools import chain, repeat

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from broker.record import TopicPartition
from contracts.load import Registry
from contracts.model import Contract
from contracts.parts import SignalField
from ingest.decoding import DecodedRun

SENSOR_MARK = "\0"
"""Between signal and sensor in a key."""


@dataclass(frozen=True, slots=True)
class TopicColumns:
    """How the readings of one topic become rows."""

    catalogued: frozenset[str]
    tracked: frozenset[str]
    is_per_sensor: bool

    @classmethod
    def of(cls, registry: Registry, topic: str) -> "TopicColumns":
        """By the topic's contract; a topic without one gives no rows."""
        contract = registry.for_topic(topic)
        tracked = {name for name, spec in registry.catalog.items() if spec.track_max}
        return cls(
            frozenset(registry.catalog),
            frozenset(tracked & _signals(contract)) if contract else frozenset(),
            contract is not None and contract.state_sensor == "per_sensor",
        )

    def rows(self, run: DecodedRun) -> pl.DataFrame:
        """One row per signal: vehicle, key, t (effective time in µs), value or text, coordinates p and o."""
        decoded, records = run.decoded, run.records
        signals = decoded.column("signals")
        flat: pa.StructArray = pc.list_flatten(signals)
        vehicles, offsets = decoded.column("vehicle_id"), pa.array(records.offsets, pa.int64())
        names = _place_names(run)
        if not _is_one_each(signals, len(flat)):
            parents = pc.list_parent_indices(signals)
            vehicles, offsets, names = (each.take(parents) for each in (vehicles, offsets, names))
        columns = {
            "vehicle": vehicles,
            "key": flat.field("signal"),
            "t": flat.field("effective_time").cast(pa.int64()),
            "value": flat.field("value"),
            "text": flat.field("text"),
            "o": offsets,
            "p": names,
        }
        if self.is_per_sensor:
            columns["sensor"] = flat.field("sensor")
        batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
        frame = pl.DataFrame(batch)
        return self._keyed(frame) if self.is_per_sensor else frame

    def tracked_rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of `rows` whose greatest value is kept, too: numbers only."""
        signal = pl.col("key").str.split(SENSOR_MARK).list.first() if self.is_per_sensor else pl.col("key")
        return rows.filter(signal.is_in(list(self.tracked)) & pl.col("value").is_not_null())

    def _keyed(self, frame: pl.DataFrame) -> pl.DataFrame:
        sensor = (SENSOR_MARK + pl.col("sensor")).fill_null("")
        return (
            frame.filter(pl.col("key").is_in(list(self.catalogued)))
            .with_columns((pl.col("key") + sensor).alias("key"))
            .drop("sensor")
        )


def _place_names(run: DecodedRun) -> pa.Array:
    """`topic/partition` of every row."""
    names = ((str(TopicPartition(run.records.topic, partition)), rows) for partition, rows in run.parts)
    return pa.array(list(chain.from_iterable(repeat(*each) for each in names)), pa.string())


def _is_one_each(lists: pa.ListArray, items: int) -> bool:
    """Whether every list has exactly one item, so that items and rows are aligned."""
    return items == len(lists) and bool(pc.all(pc.equal(pc.list_value_length(lists), 1)).as_py())


def _signals(contract: Contract) -> set[str]:
    found: set[str] = set()
    pending: list[SignalField] = list(contract.fields.values())
    while pending:
        field = pending.pop()
        pending += field.parts.values()
        found |= {field.signal} if field.signal else set()
    return found
