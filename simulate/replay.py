"""Recorded files sent to the topic of their source: byte for byte, keyed as the contract says, all at once or
paced by the times that the messages carry."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final, NamedTuple

from contracts.decode import Decoder, RawBatch
from contracts.model import Contract
from simulate.errors import NothingValid
from simulate.parcel import Headers, Parcel, Receipt
from simulate.recordings import Format, Recording
from simulate.wrapping import unwrap

BATCH: Final = 512
"""Messages decoded together, to see their vehicles and times."""
JUDGED: Final = 1_000
"""Messages at a file's beginning that tell whether it is one of its source: they are held until then."""
US: Final = 1_000_000
OTHER_TOPICS: Final = "of other topics"


class Raw(NamedTuple):
    """A message as it stands in the file; key and headers where the file has them (`keyed`)."""

    payload: bytes | None
    keyed: bool = False
    key: bytes | None = None
    headers: Headers = ()


class Read(NamedTuple):
    """A message as the contract reads it: event time in microseconds, reason of rejection."""

    raw: Raw
    key: bytes | None
    event_us: int | None
    error: str | None


class Replay:
    """One file on its way. Iterate once; `report` counts what was acknowledged."""

    def __init__(
        self, recording: Recording, decoder: Decoder, *, vehicle: str | None, longest_gap_s: float
    ) -> None:
        """A gap between two event times plays for `longest_gap_s` at most, so that a glitch of a clock does
        not stop the replay."""
        self.recording = recording
        self._contract: Contract = decoder.contract
        self._decoder = decoder
        self._vehicle = vehicle
        self._longest_gap_s = longest_gap_s
        self._sent: Counter[tuple[str | None, str | None, bool]] = Counter()
        self._bytes = 0
        self.other_topics = 0
        self._read = self._reading()

    def check(self) -> None:
        """Raises NothingValid where the contract rejects every message at the beginning. Sends nothing."""
        beginning = list(islice(self._read, JUDGED))
        self._read = chain(beginning, self._read)
        reasons = Counter(each.error for each in beginning)
        if reasons[None]:
            return
        if not beginning:
            reasons[OTHER_TOPICS] = self.other_topics
        reason, count = reasons.most_common(1)[0]
        is_all = len(beginning) < JUDGED
        judged = len(beginning) or self.other_topics
        raise NothingValid(
            self.recording.path, self._contract.name, judged, str(reason), count, is_all=is_all
        )

    def __iter__(self) -> Iterator[Parcel]:
        topic, due, last_us = self._contract.topics[0], 0.0, None
        for raw, key, event_us, error in self._read:
            if event_us is not None:
                gap = 0.0 if last_us is None else (event_us - last_us) / US
                due += min(max(0.0, gap), self._longest_gap_s)
                last_us = event_us
            yield Parcel(due, topic, key, raw.payload, raw.headers, self._receipt(raw, key, error))

    def _reading(self) -> Iterator[Read]:
        for batch in _batches(self._messages()):
            yield from self._decoded(batch)

    def _messages(self) -> Iterator[Raw]:
        for payload in self.recording:
            wrapped = unwrap(payload) if self.recording.format is Format.LINES else None
            if wrapped is None:
                yield Raw(payload)
            elif wrapped.topic in self._contract.topics:
                yield Raw(wrapped.payload, True, wrapped.key, wrapped.headers)
            else:
                self.other_topics += 1

    def _decoded(self, batch: Sequence[Raw]) -> Iterator[Read]:
        named = self._vehicle or self.recording.stem
        known = [raw.key if raw.keyed else named.encode() for raw in batch]
        decoded = self._decoder.decode(
            RawBatch(
                [raw.payload for raw in batch],
                [-1] * len(batch),
                known,
                [list(raw.headers) for raw in batch],
            )
        )
        times = decoded.column("event_time").cast("int64").to_pylist()
        errors = decoded.column("error").to_pylist()
        by_sensor = self._contract.message_key == "sensor"
        names = _sensors(decoded) if by_sensor else decoded.column("vehicle_id").to_pylist()
        keys = (self._key(raw, name) for raw, name in zip(batch, names, strict=True))
        return map(Read, batch, keys, times, errors)

    def _key(self, raw: Raw, read: str | None) -> bytes | None:
        """What the file says, else the user, else the message, else the file's name where rows name none."""
        if raw.keyed:
            return raw.key
        unnamed = self._contract.vehicle.key or self.recording.format is Format.CSV
        name = self._vehicle or read or (self.recording.stem if unnamed else None)
        return None if name is None else name.encode()

    def _receipt(self, raw: Raw, key: bytes | None, error: str | None) -> Receipt:
        name = None if key is None else key.decode("utf-8", "replace")
        size = len(raw.payload or b"")

        def receipt(failure: Exception | None) -> None:
            self._sent[name, error, failure is None] += 1
            self._bytes += size if failure is None else 0

        return receipt

    @property
    def sent(self) -> int:
        """Messages that were handed over and are accounted for."""
        return self._sent.total()

    @property
    def failed(self) -> int:
        """Messages that were handed over and not acknowledged."""
        return sum(count for (_, _, arrived), count in self._sent.items() if not arrived)

    def report(self) -> dict[str, Any]:
        """Counts of acknowledged messages, but for `failed`."""
        keys: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        for (key, error, arrived), count in self._sent.items():
            if arrived:
                keys["" if key is None else key] += count
                reasons[error or "valid"] += count
        acknowledged = keys.total()
        return {
            "file": str(self.recording.path),
            "format": self.recording.format.value,
            "topic": self._contract.topics[0],
            "sent": self.sent,
            "acknowledged": acknowledged,
            "failed": self.failed,
            "bytes": self._bytes,
            "valid": reasons.pop("valid", 0),
            "invalid_by_reason": dict(sorted(reasons.items())),
            "keys": dict(sorted(keys.items())),
            "left_out": self.recording.left_out,
            "other_topics": self.other_topics,
        }


def _batches(messages: Iterator[Raw]) -> Iterator[list[Raw]]:
    while batch := list(islice(messages, BATCH)):
        yield batch


def _sensors(decoded: Any) -> list[str | None]:
    """The sensor of each message's first signal."""
    return [signals[0]["sensor"] if signals else None for signals in decoded.column("signals").to_pylist()]
