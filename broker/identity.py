"""Which life of a topic this is: an identity that changes when a topic is deleted and made anew.

One source of identities is chosen by the settings and never falls back to the other, so an identity never
changes its form: Kafka's topic ids, or `<incarnation>.<topic>` where an incarnation file is set, followed by
the topic's own life where an operator has renewed it.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from confluent_kafka import Uuid
from confluent_kafka.admin._topic import TopicDescription  # its package does not mark exports

from broker.admin import Admin
from broker.errors import IdentityUnknown, TopicMissing
from broker.settings import KafkaSettings
from broker.topic_lives_file import read_lives

NO_ID = str(Uuid(0, 0))
"""What a broker without topic ids reports."""


ANSWER_TIMEOUT_S = 4.0
"""Who asks is a sink in the midst of its work, which may be told to stop meanwhile: it can ask again."""


class Describes(Protocol):
    """Tells the topics that exist, and the names of those that do not."""

    def describe(self, topics: Iterable[str]) -> tuple[dict[str, TopicDescription], list[str]]: ...


class TopicIdentities:
    """Reads identities anew at each call: nothing is remembered."""

    def __init__(self, settings: KafkaSettings, admin: Describes | None = None) -> None:
        self._incarnation_file = settings.incarnation_file
        self._admin = admin or Admin(settings, ANSWER_TIMEOUT_S)

    def read(self, topics: Sequence[str]) -> dict[str, str]:
        """Topic -> identity. Raises IdentityUnknown, TopicMissing, or Transient errors; never answers partly.

        With an incarnation file the broker is not asked: a topic recreated within one life of such a broker
        is not noticed until an operator renews it.
        """
        if not topics:
            return {}
        if self._incarnation_file is not None:
            return self._by_incarnation(topics)
        return self._by_topic_id(topics)

    def _by_incarnation(self, topics: Sequence[str]) -> dict[str, str]:
        assert self._incarnation_file is not None  # noqa: S101 - the caller looked
        try:
            incarnation = self._incarnation_file.read_text().strip()
        except FileNotFoundError:
            incarnation = ""
        if not incarnation:
            raise IdentityUnknown(topics, self._incarnation_file)
        lives = read_lives(self._incarnation_file)
        own = {topic: f".{lives[topic]}" if topic in lives else "" for topic in topics}
        return {topic: f"{incarnation}.{topic}{own[topic]}" for topic in topics}

    def _by_topic_id(self, topics: Sequence[str]) -> dict[str, str]:
        found, missing = self._admin.describe(topics)
        if missing:
            raise TopicMissing(missing)
        identities = {topic: str(description.topic_id) for topic, description in found.items()}
        unknown = [topic for topic, identity in identities.items() if identity == NO_ID]
        if unknown:
            raise IdentityUnknown(unknown, None)
        return identities


def life_of_offsets(topic: str, identity: str) -> str:
    """What a group's offsets of the topic belong to: its identity, but without the incarnation, because a
    broker whose log goes back takes its groups' offsets back with it."""
    _, mark, own = identity.rpartition(f".{topic}")
    return f"{topic}{own}" if mark else identity
