"""Asks and tells the cluster what no consumer or producer can; every answer has a deadline and our errors."""

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from typing import TypeVar, cast

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._topic import TopicDescription  # its package does not mark exports

from broker import errors
from broker.client import UNAUTHENTICATED, client_options, translate
from broker.record import TopicPartition
from broker.settings import KafkaSettings

MOST_TROUBLES = 2
WHEN = re.compile(r" \(after \d+ms in state [^)]*\)")
ANSWER_TIMEOUT_S = 10.0

T = TypeVar("T")


class Admin:
    """One administrative client at a time; it connects at the first question and is safe for several threads.

    One that got no answer is replaced: the client library asks the broker that it knows as the controller,
    and if that one has died it looks for another only after minutes.
    """

    def __init__(self, settings: KafkaSettings, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self.settings = settings
        self.timeout_s = timeout_s
        self._refused: errors.BrokerError | None = None
        self._troubles: dict[str, None] = {}
        self._options = client_options(settings, {"error_cb": self._on_error})
        self.client = self._connected()

    def _connected(self) -> AdminClient:
        return AdminClient(cast("dict[str, str | int | float | bool]", self._options))

    def answer(self, future: "Future[T]", doing: str, resource: str = "") -> T:
        """The result of a request, or why there is none."""
        try:
            return self.result(future)
        except KafkaException as error:
            raise self.failure(error.args[0], doing, resource) from error

    def result(self, future: "Future[T]") -> T:
        """The result of a request, or the client library's error."""
        try:
            return future.result(self.timeout_s)
        except NoAnswer as error:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from error

    def failure(self, error: KafkaError, doing: str, resource: str = "") -> errors.BrokerError:
        """A connection that fails makes requests time out; the cause is told beside them, by the poll."""
        self.client.poll(0)
        if error.code() != KafkaError._TIMED_OUT:
            return translate(error, self.settings, doing, resource)
        self.client = self._connected()
        trouble = "; ".join(self._troubles) or "no answer"
        silence = errors.BrokerUnavailable(self.settings.bootstrap_servers, doing, trouble)
        return self._refused or silence

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in UNAUTHENTICATED:
            self._refused = translate(error, self.settings, "logging in")
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._note_trouble(WHEN.sub("", error.str()))

    def _note_trouble(self, text: str) -> None:
        """One cause is told in several ways, in turn, and not all of them say what to do: the latest few."""
        self._troubles.pop(text, None)
        self._troubles[text] = None
        while len(self._troubles) > MOST_TROUBLES:
            del self._troubles[next(iter(self._troubles))]

    def describe(self, topics: Iterable[str]) -> tuple[dict[str, TopicDescription], list[str]]:
        """The topics that exist, and the names of those that do not."""
        wanted = list(dict.fromkeys(topics))
        if not wanted:
            return {}, []
        futures = self.client.describe_topics(TopicCollection(wanted), request_timeout=self.timeout_s)
        found: dict[str, TopicDescription] = {}
        missing: list[str] = []
        for topic, future in futures.items():
            try:
                found[topic] = self.answer(future, f"describing topic {topic}", topic)
            except errors.TopicMissing:
                missing.append(topic)
        return found, missing

    def partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        """Every partition of the topics, in order. Raises TopicMissing."""
        found, missing = self.describe(topics)
        if missing:
            raise errors.TopicMissing(missing)
        return [
            TopicPartition(topic, number) for topic in topics for number in partition_numbers(found[topic])
        ]


def partition_numbers(description: TopicDescription) -> range:
    """Partitions are numbered from 0 without gaps."""
    return range(len(description.partitions))
