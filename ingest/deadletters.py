"""Reads dead letters back for people and for `redrive`: selected by source, reason, time or place, each with
the message as it was received.

Every committed dead letter of the selection is returned once, in the order of its partition, up to the log's
end as it is when reading begins.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from broker.offsets import Offsets
from broker.reader import PartitionReader
from broker.record import Headers, Records, TopicPartition
from broker.settings import KafkaSettings
from contracts.load import Registry
from contracts.model import Contract
from ingest.dead_letter import DeadLetter, read_dead_letter


@dataclass(frozen=True, slots=True, order=True)
class Coordinates:
    """One Kafka message."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Coordinates":
        """The inverse of `str`. Raises ValueError."""
        topic, partition, offset = text.rsplit("/", 2)
        return cls(topic, int(partition), int(offset))


@dataclass(frozen=True, slots=True)
class Original:
    """A message as it was first sent."""

    payload: bytes | None
    key: bytes | None
    headers: Headers | None

    def is_of(self, letter: DeadLetter) -> bool:
        """Whether this is the whole message that the dead letter is about."""
        if self.payload is None or letter.sha256 is None:
            return self.payload is None and letter.sha256 is None
        return hashlib.sha256(self.payload).hexdigest() == letter.sha256


Lookup = Callable[[Coordinates], Sequence[Original]]
"""What bronze has at a message's coordinates: several where its topic was made anew, perhaps none."""


@dataclass(frozen=True, slots=True)
class Found:
    """A dead letter, where it lies, and the key and headers it was sent with."""

    at: Coordinates
    time_ms: int
    letter: DeadLetter
    key: bytes | None
    headers: Headers | None

    @property
    def source_at(self) -> Coordinates:
        """The message it is about."""
        return Coordinates(self.letter.source_topic, self.letter.partition, self.letter.offset)

    @property
    def marker(self) -> str:
        """The same for every dead letter of one message; the hash tells lives of a topic apart."""
        return f"{self.source_at}/{self.letter.sha256 or 'null'}"

    @property
    def is_complete(self) -> bool:
        """Whether the envelope holds all of the message."""
        letter = self.letter
        return not (letter.event_cut or letter.key_dropped or letter.headers_dropped)

    def original(self, lookup: Lookup) -> Original | None:
        """The message, from the history where the envelope holds only a part of it; None if that is gone."""
        if self.is_complete:
            return Original(self.letter.event_bytes(), self.key, self.headers)
        return next((each for each in lookup(self.source_at) if each.is_of(self.letter)), None)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters: all that fit everything given. Times are when the dead letter was written."""

    source: str | None = None
    reason: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    places: frozenset[Coordinates] = frozenset()
    """Of the dead letters, or of the messages they are about."""

    def takes(self, found: Found) -> bool:
        return (
            self.reason in (None, found.letter.error)
            and (self.since_ms is None or found.time_ms >= self.since_ms)
            and (self.until_ms is None or found.time_ms < self.until_ms)
            and (not self.places or found.at in self.places or found.source_at in self.places)
        )

    def takes_contract(self, contract: Contract) -> bool:
        """Whether dead letters of this source may be among them."""
        if self.source not in (None, contract.name):
            return False
        topics = {contract.dead_letter_topic, *contract.topics}
        return not self.places or any(place.topic in topics for place in self.places)


class UnknownDeadLetters(ValueError):
    """No source of this name, or no source has the topics that were named.

    Operator action: `fleetlake contracts list` shows the names.
    """

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        self.wanted, self.known = wanted, tuple(known)
        super().__init__(f"no source has dead letters of {wanted}; there are {', '.join(known)}")


def read_letters(
    kafka: KafkaSettings, registry: Registry, selection: Selection, reader: PartitionReader
) -> Iterator[Found]:
    """The dead letters of the selection. Records that are no dead letters are passed over."""
    offsets = Offsets(kafka)
    ends = offsets.ends(_topics(registry, selection))
    starts = offsets.starts(list(dict.fromkeys(name.topic for name in ends)))
    if selection.since_ms is not None:
        starts |= offsets.at_time(ends, selection.since_ms)
    for partition, end in ends.items():
        for records in reader.read(partition, starts[partition], end):
            yield from filter(selection.takes, _letters(partition, records))


def _topics(registry: Registry, selection: Selection) -> list[str]:
    chosen = [each for each in registry.contracts.values() if selection.takes_contract(each)]
    if not chosen:
        wanted = selection.source or ", ".join(map(str, sorted(selection.places)))
        raise UnknownDeadLetters(wanted, list(registry.contracts))
    return list(dict.fromkeys(contract.dead_letter_topic for contract in chosen))


def _letters(partition: TopicPartition, records: Records) -> Iterator[Found]:
    columns = (records.offsets, records.times_ms, records.values, records.keys, records.headers)
    for offset, time_ms, value, key, headers in zip(*columns, strict=True):
        try:
            letter = read_dead_letter(value or b"")
        except msgspec.DecodeError:
            continue
        yield Found(Coordinates(*partition, offset), time_ms, letter, key, headers)
