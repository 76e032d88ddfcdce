"""Whether topics are still those that a process began with: else what it remembers of them is void."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from broker.identity import life_of_offsets
from ingest.errors import TopicRecreated
from ingest.process import Ticker


class Identities(Protocol):
    """Asks the broker who its topics are."""

    def read(self, topics: Sequence[str]) -> Mapping[str, str]: ...


class TopicLives:
    """Remembers the identities of first contact."""

    def __init__(
        self,
        identities: Identities,
        topics: Sequence[str],
        period_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identities, self._topics = identities, topics
        self._known: Mapping[str, str] = {}
        self._due = Ticker(period_seconds, clock)

    def check(self) -> None:
        """TopicRecreated if a topic is another one now."""
        found = self._identities.read(self._topics)
        for topic, identity in found.items():
            known = self._known.get(topic, identity)
            if identity != known:
                raise TopicRecreated(topic, known, identity)
        self._known = found

    def of_offsets(self) -> Mapping[str, str]:
        """Which life of each topic the group's offsets belong to, as of the last check."""
        return {topic: life_of_offsets(topic, identity) for topic, identity in self._known.items()}

    def check_if_due(self) -> None:
        """Now and then: always where asking costs nothing."""
        if self._due.due():
            self.check()
