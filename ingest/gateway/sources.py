"""Reads events by the contract of their source, exactly as the sinks will read them from Kafka."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.decode import SMALL, RawBatch
from contracts.envelope import NO_KEY
from contracts.explain import Explainer
from contracts.model import Contract
from contracts.registry import Registry
from contracts.result import Decoded, Rejected
from contracts.write_times import time_writer
from ingest.gateway.documents import EventProblem, FieldFault, faults

EXPLAINED = 200
"""Of one request: field by field costs more than the reason, and nobody reads thousands."""

Headers = tuple[tuple[str, bytes], ...]


class Event(msgspec.Struct, frozen=True, gc=False):
    """A valid event: its bytes as they came, and where they go."""

    index: int
    source: str
    topic: str
    vehicle_id: str
    key: bytes
    payload: bytes
    headers: Headers
    refused: tuple[FieldFault, ...] = ()


class Source:
    """Reads the events of one source."""

    def __init__(self, contract: Contract, registry: Registry) -> None:
        self.name, self._contract = contract.name, contract
        self._topic = contract.topics[0]
        self._decoder = registry.decoder_of(contract)
        self._explainer = Explainer(contract, registry.catalog, registry.limits)
        self._by_sensor = contract.message_key == "sensor"
        received = contract.received_time
        self._received = received if received is not None and received.header else None

    def read(
        self, indexes: Sequence[int], payloads: Sequence[bytes], key: bytes | None, now_ms: int
    ) -> tuple[list[Event], list[EventProblem]]:
        """Valid events, and what is wrong with the others; `indexes` are their places in the request."""
        headers = self._headers(now_ms)
        if len(payloads) < SMALL:
            return self._one_by_one(indexes, payloads, key, headers, now_ms)
        return self._together(indexes, payloads, key, headers, now_ms)

    def _one_by_one(
        self,
        indexes: Sequence[int],
        payloads: Sequence[bytes],
        key: bytes | None,
        headers: Headers,
        now_ms: int,
    ) -> tuple[list[Event], list[EventProblem]]:
        events, problems = [], []
        for index, payload in zip(indexes, payloads, strict=True):
            result = self._decoder.decode_one(payload, now_ms, key, headers)
            if isinstance(result, Rejected):
                fields = self._explained(payload, now_ms, headers)
                problems.append(EventProblem(index, result.reason, _told(result.detail), fields))
            else:
                events.append(self._event(index, payload, headers, result, now_ms))
        return events, problems

    def _event(self, index: int, payload: bytes, headers: Headers, found: Decoded, now_ms: int) -> Event:
        refused = self._explained(payload, now_ms, headers) if found.rejected_signals else ()
        sensor = found.signals[0].sensor
        key = sensor if self._by_sensor and sensor is not None else found.vehicle_id
        return Event(index, self.name, self._topic, found.vehicle_id, key.encode(), payload, headers, refused)

    def _together(
        self,
        indexes: Sequence[int],
        payloads: Sequence[bytes],
        key: bytes | None,
        headers: Headers,
        now_ms: int,
    ) -> tuple[list[Event], list[EventProblem]]:
        rows = len(payloads)
        batch = self._decoder.decode(RawBatch(payloads, [now_ms] * rows, [key] * rows, [headers] * rows))
        errors: list[str | None] = batch.column("error").to_pylist()
        vehicles: list[str] = batch.column("vehicle_id").to_pylist()
        keys = _sensors(batch.column("signals")) if self._by_sensor else vehicles
        partly = pc.list_value_length(batch.column("rejected_signals")).to_pylist()
        details = batch.column("error_detail")
        events, problems, explained = [], [], 0
        for row, (index, payload, error) in enumerate(zip(indexes, payloads, errors, strict=True)):
            fields: tuple[FieldFault, ...] = ()
            if (error is not None or partly[row]) and explained < EXPLAINED:
                fields = self._explained(payload, now_ms, headers)
                explained += 1
            if error is not None:
                problems.append(EventProblem(index, error, _told(details[row].as_py()), fields))
                continue
            vehicle = vehicles[row]
            place = (keys[row] or vehicle).encode()
            events.append(Event(index, self.name, self._topic, vehicle, place, payload, headers, fields))
        return events, problems

    def _explained(self, payload: bytes, now_ms: int, headers: Headers) -> tuple[FieldFault, ...]:
        return faults(self._explainer.problems(payload, now_ms, headers))

    def _headers(self, now_ms: int) -> Headers:
        """The time of receipt, where the contract has it in a header: this process is who receives."""
        if self._received is None:
            return ()
        return ((str(self._received.header), str(time_writer(self._received)(now_ms * 1000)).encode()),)


def _told(detail: str) -> str:
    """Over HTTP nobody gives a message a key: whoever sends it says the vehicle in the address."""
    return f"{detail}: send it to an address with ?vehicle=ID" if detail == NO_KEY else detail


def _sensors(signals: pa.ListArray) -> list[Any]:
    """Of each row's first signal; of a row without any, any."""
    sensors = signals.values.field("sensor")
    if not len(sensors):
        return [None] * len(signals)
    first = np.minimum(signals.offsets.to_numpy()[:-1], len(sensors) - 1)
    taken: list[Any] = sensors.take(pa.array(first)).to_pylist()
    return taken
