"""Notices that a topic is not there where nobody tells: a group whose partitions the broker assigns (KIP-848)
leaves out what it does not find, and a sink would wait for it in silence."""

from collections.abc import Callable, Sequence

from broker.errors import TopicMissing

LOOK_PERIOD_S = 5.0
AGAIN_S = 0.5
"""A topic counts as missing when it is missing twice: a broker that is starting may not know it yet."""


class Presence:
    """The topics of one consumer, looked for in `poll`."""

    def __init__(
        self, topics: Sequence[str], exists: Callable[[str], bool], monotonic: Callable[[], float]
    ) -> None:
        self._topics, self._exists, self._monotonic = topics, exists, monotonic
        self._next_look = monotonic() + AGAIN_S
        self._was_missing: frozenset[str] = frozenset()

    def look(self) -> None:
        """Raises TopicMissing. To be called while the broker is there: each topic is a question to it."""
        now = self._monotonic()
        if now < self._next_look:
            return
        missing = frozenset(topic for topic in self._topics if not self._exists(topic))
        if gone := missing & self._was_missing:
            raise TopicMissing(sorted(gone))
        self._was_missing = missing
        self._next_look = self._monotonic() + (AGAIN_S if missing else LOOK_PERIOD_S)
