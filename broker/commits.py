"""Offsets of a group on their way to the broker, one request at a time, and no longer waited for than a stop
can bear."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Place

from broker import errors
from broker.aside import aside
from broker.health import Health
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.stored_offset import Lives, places_of

TIMEOUT_S = 20.0
"""Longer than the client waits for a coordinator that is away, where it does not wait for ever."""


@dataclass
class Commits:
    """Of one consumer.

    If the broker dies in a commit, the client waits for the answer as long as a session lasts, and now and
    then as long as the broker is away (librdkafka 2.16, about one time in ten). It lets no other call in
    until then, not even one with a timeout: such a request is left to itself, the client is not touched.

    For the same reason a commit inside a rebalance call has to be made on the thread that polls, and waits
    for as long as the client does.
    """

    client: Consumer
    health: Health
    settings: KafkaSettings
    timeout_s: float = TIMEOUT_S
    _under_way: Future[list[Place]] | None = None
    _is_polling: bool = False

    def commit(self, offsets: Mapping[TopicPartition, int], lives: Lives) -> None:
        """Returns when the broker has them; BrokerUnavailable where that is not known in time."""
        if not offsets:
            return
        self.raise_unanswered()
        try:
            results = self._answer(places_of(offsets, lives))
        except KafkaException as error:
            raise self.health.commit_error(error.args[0]) from error
        for place in results:
            if place.error is not None:
                raise self.health.commit_error(place.error)

    @contextmanager
    def polling(self) -> Iterator[None]:
        """While this thread is inside a call of the client that may call back."""
        self._is_polling = True
        try:
            yield
        finally:
            self._is_polling = False

    def _answer(self, places: list[Place]) -> list[Place]:
        if self._is_polling:
            return self.client.commit(offsets=places, asynchronous=False)
        self._under_way = aside(
            lambda: self.client.commit(offsets=places, asynchronous=False), "kafka-commit"
        )
        wait([self._under_way], self.timeout_s)
        self.raise_unanswered()
        return self._under_way.result()

    @property
    def is_unanswered(self) -> bool:
        """Whether the client still waits, so that any call of it would too."""
        return self._under_way is not None and not self._under_way.done()

    def raise_unanswered(self) -> None:
        """BrokerUnavailable instead of a call that would not return."""
        if self.is_unanswered:
            detail = f"none in {self.timeout_s:g} s"
            raise errors.BrokerUnavailable(self.settings.bootstrap_servers, "committing offsets", detail)
