"""Kafka messages to columns, one row a message, whatever the message is.

Row i of the result belongs to message i; input never raises. What a message means is defined by
`contracts.reference`; this file only decides who reads which row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from contracts.assemble import assemble
from contracts.catalog import Catalog
from contracts.envelope import NO_KAFKA_TIME, Headers
from contracts.limits import DEFAULT_LIMITS, Limits
from contracts.model import Contract
from contracts.reference import Reference
from contracts.result import Decoded, Rejected


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Columns of equal length, one row a Kafka message; times in milliseconds, -1 where there is none."""

    payloads: Sequence[bytes | None]
    kafka_times_ms: Sequence[int]
    keys: Sequence[bytes | None]
    headers: Sequence[Headers]

    def __len__(self) -> int:
        return len(self.payloads)


class Decoder:
    """Decodes the messages of one contract."""

    def __init__(self, contract: Contract, catalog: Catalog, limits: Limits = DEFAULT_LIMITS) -> None:
        self.contract = contract
        self._reference = Reference(contract, catalog, limits)

    def decode(self, batch: RawBatch) -> pa.RecordBatch:
        """Schema `DECODED`, as many rows as messages, in their order."""
        rows = zip(batch.payloads, batch.kafka_times_ms, batch.keys, batch.headers, strict=True)
        return assemble(self.contract, [self._reference.decode(*row) for row in rows])

    def decode_one(
        self,
        payload: bytes | None,
        kafka_time_ms: int = NO_KAFKA_TIME,
        key: bytes | None = None,
        headers: Headers = None,
    ) -> Decoded | Rejected:
        """One message, by the reference itself."""
        return self._reference.decode(payload, kafka_time_ms, key, headers)
