"""Kafka messages to columns, one row a message, whatever the message is.

Row i of the result belongs to message i; input never raises. What a message means is defined by
`contracts.reference`; this file only decides who reads which row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from contracts.assemble import assemble
from contracts.catalog import Catalog
from contracts.envelope import NO_KAFKA_TIME, Headers
from contracts.limits import DEFAULT_LIMITS, Limits
from contracts.model import Contract
from contracts.reference import Reference
from contracts.result import Decoded, Rejected
from contracts.vector.path import Messages, Taken, VectorPath

PART: Final = 8192
"""Messages decoded at once: few enough that their objects stay in the processor's cache."""
UNFORESEEN: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What code raises that meets a value it was not written for; Arrow's errors are among them."""
SMALL: Final = 16
"""Messages for which columns do not pay."""


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Columns of equal length, one row a Kafka message; times in milliseconds, -1 where there is none."""

    payloads: Sequence[bytes | None]
    kafka_times_ms: Sequence[int]
    keys: Sequence[bytes | None]
    headers: Sequence[Headers]

    def __len__(self) -> int:
        return len(self.payloads)

    def part(self, start: int) -> "RawBatch":
        """At most `PART` messages from `start` on."""
        end = start + PART
        if start == 0 and end >= len(self):
            return self
        times = self.kafka_times_ms[start:end]
        return RawBatch(self.payloads[start:end], times, self.keys[start:end], self.headers[start:end])


class Decoder:
    """Decodes the messages of one contract."""

    def __init__(self, contract: Contract, catalog: Catalog, limits: Limits = DEFAULT_LIMITS) -> None:
        self.contract = contract
        self._reference = Reference(contract, catalog, limits)
        self._vector = VectorPath(contract, catalog, limits)
        self.surprises = 0
        """Parts of batches that the fast way failed on. Not 0 is a defect to report; results are right."""

    def decode(self, batch: RawBatch) -> pa.RecordBatch:
        """Schema `DECODED`, as many rows as messages, in their order."""
        if len(batch) < SMALL:
            return self._one_by_one(batch, range(len(batch)))
        parts = [self._decode_part(batch.part(start)) for start in range(0, len(batch), PART)]
        return parts[0] if len(parts) == 1 else pa.concat_batches(parts)

    def _decode_part(self, batch: RawBatch) -> pa.RecordBatch:
        times = np.asarray(batch.kafka_times_ms, np.int64)
        messages = Messages(np.arange(len(batch)), batch.payloads, times, batch.keys, batch.headers)
        taken = self._vector_decode(messages)
        positions = [part.positions for part in taken]
        parts = [part.decoded for part in taken]
        others = np.ones(len(batch), bool)
        for done in positions:
            others[done] = False
        if others.any():
            rest = np.flatnonzero(others)
            positions.append(rest)
            parts.append(self._one_by_one(batch, rest.tolist()))
        if len(parts) == 1:
            return parts[0]
        order = np.argsort(np.concatenate(positions), kind="stable")
        return pa.concat_batches(parts).take(pa.array(order))

    def _vector_decode(self, messages: Messages) -> list[Taken]:
        """Input that nobody foresaw costs speed, not the sink: the reference decodes the part instead."""
        try:
            return self._vector.decode(messages)
        except UNFORESEEN:
            self.surprises += 1
            return []

    def _one_by_one(self, batch: RawBatch, rows: Iterable[int]) -> pa.RecordBatch:
        decode = self._reference.decode
        results = [
            decode(batch.payloads[row], int(batch.kafka_times_ms[row]), batch.keys[row], batch.headers[row])
            for row in rows
        ]
        return assemble(self.contract, results)

    def decode_one(
        self,
        payload: bytes | None,
        kafka_time_ms: int = NO_KAFKA_TIME,
        key: bytes | None = None,
        headers: Headers = None,
    ) -> Decoded | Rejected:
        """One message, by the reference itself."""
        return self._reference.decode(payload, kafka_time_ms, key, headers)
