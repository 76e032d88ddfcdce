"""From Kafka records to decoded columns, row by row aligned: what every sink does first with its polls."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from broker.record import Records
from contracts.decode import Decoder, RawBatch
from contracts.load import Registry
from ingest.metrics import SinkMetrics

T = TypeVar("T")
Part = tuple[int, int]
"""A partition, and how many rows that follow each other are of it."""


@dataclass(frozen=True, slots=True)
class DecodedRun:
    """Messages of one topic and what its contract made of them; row i of both is the same message.

    `parts` tells their partitions; `records.partition` and `records.next_offset` mean nothing where there are
    several.
    """

    records: Records
    decoded: pa.RecordBatch
    parts: Sequence[Part]
    payload_bytes: int
    """Bytes of all payloads."""
    beside_bytes: int
    """Bytes of all keys and headers."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all payloads, keys and headers."""
        return self.payload_bytes + self.beside_bytes

    @property
    def memory_bytes(self) -> int:
        """What the messages and their decoded columns take in memory, about."""
        columns: int = self.decoded.nbytes
        return self.size_bytes + self.records.overhead_bytes + columns

    def __len__(self) -> int:
        return len(self.records)

    def partitions(self) -> list[int]:
        """The partition of every row."""
        return list(chain.from_iterable(repeat(*part) for part in self.parts))


class RunDecoder:
    """Decodes runs by their topic's contract and counts what it read."""

    def __init__(self, registry: Registry, metrics: SinkMetrics) -> None:
        self._registry, self._metrics = registry, metrics
        self._decoders: dict[str, Decoder] = {}

    def decode_all(self, runs: Sequence[Records]) -> Iterator[DecodedRun]:
        """The runs of each topic together: a message in a large batch costs a fraction of one in a small
        batch."""
        for topic in dict.fromkeys(records.topic for records in runs):
            yield self.decode(*(records for records in runs if records.topic == topic))

    def decode(self, *runs: Records) -> DecodedRun:
        """Runs of one topic. Never raises on input: what cannot be read is a row with an error."""
        records = runs[0] if len(runs) == 1 else _joined(runs)
        decoder = self._decoders.get(records.topic)
        if decoder is None:
            decoder = self._decoders[records.topic] = self._registry.decoder(records.topic)
        surprises = decoder.surprises
        decoded = decoder.decode(RawBatch(records.values, records.times_ms, records.keys, records.headers))
        parts = [(each.partition, len(each)) for each in runs]
        run = DecodedRun(records, decoded, parts, records.payload_bytes, records.beside_bytes)
        self._count(decoder.contract.name, run)
        if decoder.surprises > surprises:
            self._metrics.surprised(decoder.contract.name, decoder.surprises - surprises)
        return run

    def _count(self, source: str, run: DecodedRun) -> None:
        self._metrics.read(source, len(run), run.payload_bytes)
        for reason, count in _counts(run.decoded["error"]).items():
            self._metrics.rejected(source, reason, count)
        for reason, count in _counts(_rejected_reasons(run.decoded)).items():
            self._metrics.rejected_signals(source, reason, count)


def _joined(runs: Sequence[Records]) -> Records:
    def column(of: Callable[[Records], list[T]]) -> list[T]:
        return list(chain.from_iterable(map(of, runs)))

    return Records(
        topic=runs[0].topic,
        partition=runs[0].partition,
        offsets=column(lambda records: records.offsets),
        times_ms=column(lambda records: records.times_ms),
        keys=column(lambda records: records.keys),
        headers=column(lambda records: records.headers),
        values=column(lambda records: records.values),
        next_offset=runs[-1].next_offset,
    )


def _rejected_reasons(decoded: pa.RecordBatch) -> pa.Array:
    return pc.struct_field(pc.list_flatten(decoded["rejected_signals"]), "reason")


def _counts(values: pa.Array) -> Mapping[str, int]:
    if values.null_count == len(values):
        return {}
    pairs: Iterable[Mapping[str, object]] = pc.value_counts(values.drop_null()).to_pylist()
    return {str(pair["values"]): int(str(pair["counts"])) for pair in pairs}
