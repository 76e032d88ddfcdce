"""A group's offset with the life of the topic that it belongs to, in the text that Kafka stores beside it.

Without it the offset of a deleted topic, committed a moment after the deletion, would be taken for one of the
topic that was made anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import TopicPartition as Place

from broker.record import TopicPartition

Lives = Mapping[str, str]
"""Topic -> the life that offsets belong to (`broker.identity.life_of_offsets`)."""

NO_LIVES: Lives = {}


@dataclass(frozen=True, slots=True)
class StoredOffset:
    """`life` is empty where none was stored."""

    offset: int
    life: str = ""

    def belongs_to(self, life: str) -> bool:
        """Whether it is an offset of this life, as far as anybody has written that down."""
        return not self.life or not life or self.life == life


def places_of(offsets: Mapping[TopicPartition, int], lives: Lives) -> list[Place]:
    """Offsets as the client library takes them."""
    return [Place(*name, offset, metadata=lives.get(name.topic, "")) for name, offset in offsets.items()]


def stored_of(place: Place) -> StoredOffset | None:
    """What the client library has read; None where the group has no offset."""
    return StoredOffset(place.offset, place.metadata or "") if place.offset >= 0 else None
