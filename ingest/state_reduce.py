"""Many readings become one candidate per vehicle and signal, by the order that MongoDB's `$max` applies.

A window may be reduced any number of times, in any split, and the candidates are the same: that is what lets
the state sink read on while a write is under way.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import polars as pl

from contracts.load import Registry
from ingest.decoding import DecodedRun
from ingest.state_columns import SENSOR_MARK, TopicColumns
from lake.state_model import Entry, VehicleState, state_key

SCHEMA = {
    "vehicle": pl.String,
    "key": pl.String,
    "t": pl.Int64,
    "value": pl.Float64,
    "text": pl.String,
    "o": pl.Int64,
    "p": pl.String,
}
REDUCE_ROWS = 131_072
"""Readings that are reduced at once: large groups are cheap, and this many are a few MiB."""

REDUCE_BYTES = 16 * 1024 * 1024
"""Payload bytes at which readings are reduced earlier, for sources with long texts."""

_OWNER = ["vehicle", "key"]
_COORDINATES = ["p", "o"]


@dataclass(frozen=True, slots=True)
class Candidates:
    """At most one reading per vehicle and key, and per vehicle and key one that may be the maximum."""

    latest: pl.DataFrame
    greatest: pl.DataFrame

    def __len__(self) -> int:
        return len(self.latest) + len(self.greatest)

    @property
    def newest_us(self) -> int | None:
        """The latest effective time among them, in microseconds since the epoch."""
        newest = self.latest["t"].max()
        return newest if isinstance(newest, int) else None

    def states(self, written_us: int) -> Iterator[VehicleState]:
        """As the state store takes them, one per vehicle. Who has the oldest reading has waited longest and
        comes first."""
        vehicles = _by_vehicle(self.latest)
        maxima = dict(_by_vehicle(self.greatest))
        for vehicle, signals in vehicles:
            yield VehicleState(vehicle, signals, maxima.get(vehicle, {}), written_us)


class StateWindow:
    """Readings since the last flush, reduced as they come. Memory grows with vehicles, not with messages."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._topics: dict[str, TopicColumns] = {}
        self._catalogued = list(registry.catalog)
        self._parts = _Parts()
        self._reduced = _nothing()
        self.payload_bytes = 0

    def add(self, run: DecodedRun) -> None:
        """Takes the readings of messages of one topic."""
        columns = self._columns(run.records.topic)
        rows = columns.rows(run)
        size = run.payload_bytes
        self._parts.add(rows, size)
        if columns.tracked:
            self._parts.greatest.append(columns.tracked_rows(rows))
        self.payload_bytes += size
        if self._parts.rows >= REDUCE_ROWS or self._parts.size >= REDUCE_BYTES:
            self.reduce()

    def is_full(self, candidates: int, size: int) -> bool:
        """Whether what is held, once reduced, exceeds a bound."""
        held = self._reduced
        return len(held) >= candidates or _size(held) >= size

    def take(self) -> Candidates:
        """Everything since the last call."""
        self.reduce()
        taken, self._reduced = self._reduced, _nothing()
        self.payload_bytes = 0
        return taken

    def _columns(self, topic: str) -> TopicColumns:
        if topic not in self._topics:
            self._topics[topic] = TopicColumns.of(self._registry, topic)
        return self._topics[topic]

    def reduce(self) -> None:
        """Condenses what was added; changes nothing else."""
        parts, self._parts = self._parts, _Parts()
        if not parts.latest:
            return
        latest = _latest(pl.concat([self._reduced.latest, *_ordered(parts.latest)]))
        known = pl.col("key").is_in(self._catalogued) | pl.col("key").str.contains(SENSOR_MARK, literal=True)
        greatest = self._reduced.greatest
        if parts.greatest:
            greatest = _compact(_greatest(pl.concat([greatest, *_ordered(parts.greatest)])))
        self._reduced = Candidates(_compact(latest.filter(known)), greatest)


@dataclass
class _Parts:
    """Readings not reduced yet."""

    latest: list[pl.DataFrame] = field(default_factory=list)
    greatest: list[pl.DataFrame] = field(default_factory=list)
    rows: int = 0
    size: int = 0

    def add(self, rows: pl.DataFrame, size: int) -> None:
        self.latest.append(rows)
        self.rows += len(rows)
        self.size += size


def _latest(rows: pl.DataFrame) -> pl.DataFrame:
    """By time; then, as BSON sorts them, numbers before texts, by value and by coordinates."""
    newest = rows.filter(pl.col("t") == pl.col("t").max().over(_OWNER))
    order = [pl.col("text").is_not_null(), pl.col("value") + 0.0, pl.col("text"), *map(pl.col, _COORDINATES)]
    return newest.sort(order).unique(_OWNER, keep="last", maintain_order=True)


def _greatest(rows: pl.DataFrame) -> pl.DataFrame:
    """By value; of equal ones the latest."""
    greatest = rows.filter(pl.col("value") == pl.col("value").max().over(_OWNER))
    return greatest.sort(["t", *_COORDINATES]).unique(_OWNER, keep="last", maintain_order=True)


def _ordered(parts: list[pl.DataFrame]) -> list[pl.DataFrame]:
    return [part.select(list(SCHEMA)) for part in parts]


def _compact(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows in memory of their own: a slice of a text column keeps the whole column's bytes alive."""
    return pl.DataFrame(rows.to_arrow(compat_level=pl.CompatLevel.oldest()), schema=SCHEMA)


def _nothing() -> Candidates:
    return Candidates(pl.DataFrame(schema=SCHEMA), pl.DataFrame(schema=SCHEMA))


def _size(held: Candidates) -> int:
    return int(held.latest.estimated_size() + held.greatest.estimated_size())


def _by_vehicle(rows: pl.DataFrame) -> Iterator[tuple[str, dict[str, Entry]]]:
    columns = ["vehicle", "key", "t", "value", "text", "p", "o"]
    in_turn = rows.sort(pl.col("t").min().over("vehicle"), "vehicle").select(columns)
    for vehicle, group in groupby(in_turn.iter_rows(), itemgetter(0)):
        yield (
            vehicle,
            {
                state_key_of(key): Entry(t, value + 0.0 if text is None else text, p, o)
                for _, key, t, value, text, p, o in group
            },
        )


def state_key_of(key: str) -> str:
    """The state's name of a row's key."""
    signal, mark, sensor = key.partition(SENSOR_MARK)
    return state_key(signal, sensor if mark else None)
