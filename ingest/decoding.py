"""From Kafka records to decoded columns, row by row aligned: what every sink does first with a poll."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from broker.record import Records
from contracts.decode import Decoder, RawBatch
from contracts.load import Registry
from ingest.metrics import SinkMetrics


@dataclass(frozen=True, slots=True)
class DecodedRun:
    """Messages of one partition and what the contract made of them; row i of both is the same message."""

    records: Records
    decoded: pa.RecordBatch
    size_bytes: int
    """Bytes of all payloads."""

    def __len__(self) -> int:
        return len(self.records)


class RunDecoder:
    """Decodes runs by their topic's contract and counts what it read."""

    def __init__(self, registry: Registry, metrics: SinkMetrics) -> None:
        self._registry, self._metrics = registry, metrics
        self._decoders: dict[str, Decoder] = {}

    def decode(self, records: Records) -> DecodedRun:
        """Never raises on input: what cannot be read is a row with an error."""
        decoder = self._decoders.get(records.topic)
        if decoder is None:
            decoder = self._decoders[records.topic] = self._registry.decoder(records.topic)
        decoded = decoder.decode(RawBatch(records.values, records.times_ms, records.keys, records.headers))
        run = DecodedRun(records, decoded, records.size_bytes)
        self._count(decoder.contract.name, run)
        return run

    def _count(self, source: str, run: DecodedRun) -> None:
        self._metrics.read(source, len(run), run.size_bytes)
        for reason, count in _counts(run.decoded["error"]).items():
            self._metrics.rejected(source, reason, count)
        for reason, count in _counts(_rejected_reasons(run.decoded)).items():
            self._metrics.rejected_signals(source, reason, count)


def _rejected_reasons(decoded: pa.RecordBatch) -> pa.Array:
    return pc.struct_field(pc.list_flatten(decoded["rejected_signals"]), "reason")


def _counts(values: pa.Array) -> Mapping[str, int]:
    if values.null_count == len(values):
        return {}
    pairs: Iterable[Mapping[str, object]] = pc.value_counts(values.drop_null()).to_pylist()
    return {str(pair["values"]): int(str(pair["counts"])) for pair in pairs}
