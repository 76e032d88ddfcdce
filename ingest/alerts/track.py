"""What is remembered of a vehicle between two readings: the newest fact of each name, facts that wait to be
sorted, and per rule whether its condition holds and since when. Immutable, and small: it grows with the
rules, not with the messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from ingest.alerts.values import Value

NEVER_US: Final = -(2**62)

Order = tuple[int, bool, Value]


class Fact(NamedTuple):
    """One thing that is known of a vehicle at a time, in microseconds since the epoch: a signal's value, that
    there was a message, or an anomaly."""

    t: int
    name: str
    value: Value

    @property
    def order(self) -> Order:
        """Of facts of one name: by time; of the same time as the state sorts them."""
        return (self.t, isinstance(self.value, str), self.value)

    @property
    def place(self) -> tuple[int, str, bool, Value]:
        """Where it stands among facts of any name."""
        return (self.t, self.name, isinstance(self.value, str), self.value)


class RuleTrack(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """Where one rule stands. Times in microseconds since the epoch."""

    at: int = NEVER_US
    """The latest time that it was judged for."""

    since: int | None = None
    """Since when its condition has held."""

    opened: int | None = None
    """When its open alert was opened; none is open without."""

    value: Value | None = None
    """What opened it."""

    times: tuple[int, ...] = ()
    """Of the newest anomalies, as many as the rule counts."""

    was_inside: bool = False
    """Whether the vehicle was ever seen in the area."""

    @property
    def is_open(self) -> bool:
        return self.opened is not None


UNJUDGED: Final = RuleTrack()


class Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    """The text that MongoDB keeps."""

    newest: int
    arrived: int
    facts: dict[str, tuple[int, Value]]
    waiting: list[tuple[int, str, Value]]
    rules: dict[str, RuleTrack]


@dataclass(frozen=True, slots=True)
class Track:
    """One vehicle."""

    newest: int = NEVER_US
    """The latest time of any fact that was taken."""

    arrived: int = 0
    """When a waiting fact came last, by the clock of the process that took it."""

    facts: Mapping[str, Fact] = field(default_factory=dict)
    """The newest of each name that was judged."""

    waiting: tuple[Fact, ...] = ()
    """Taken and not judged yet, in order."""

    rules: Mapping[str, RuleTrack] = field(default_factory=dict)

    def rule(self, name: str) -> RuleTrack:
        """Where the rule stands; at its beginning where it was never judged."""
        return self.rules.get(name, UNJUDGED)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Stored)


def to_text(track: Track) -> str:
    """As MongoDB keeps it: one text that is written whole, because nobody else reads a part of it."""
    stored = Stored(
        newest=track.newest,
        arrived=track.arrived,
        facts={name: (fact.t, fact.value) for name, fact in track.facts.items()},
        waiting=[(fact.t, fact.name, fact.value) for fact in track.waiting],
        rules=dict(track.rules),
    )
    return _encoder.encode(stored).decode()


def from_text(text: str) -> Track:
    """What `to_text` wrote."""
    stored = _decoder.decode(text)
    return Track(
        newest=stored.newest,
        arrived=stored.arrived,
        facts={name: Fact(t, name, value) for name, (t, value) in stored.facts.items()},
        waiting=tuple(Fact(*each) for each in stored.waiting),
        rules=stored.rules,
    )
