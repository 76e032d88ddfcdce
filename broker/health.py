"""Judges the errors a consumer meets: which the client library repairs by itself, and which `poll` raises."""

from collections.abc import Callable

import structlog
from confluent_kafka import KafkaError

from broker import errors
from broker.client import MISSING_TOPIC, MOVED_ON, UNAUTHENTICATED, UNAVAILABLE, translate
from broker.settings import KafkaSettings

log = structlog.get_logger()


class Health:
    """Whether the broker is away, how often it came back, and the failure that is still to be raised."""

    def __init__(self, settings: KafkaSettings, name: str, topic_exists: Callable[[str], bool]) -> None:
        self.broker_down = False
        self.reconnects = 0
        self._settings = settings
        self._name = name
        self._topic_exists = topic_exists
        self._failure: BaseException | None = None

    def keep(self, failure: BaseException) -> None:
        """The first failure is raised as soon as no message is lost by it."""
        self._failure = self._failure or failure

    @property
    def has_failed(self) -> bool:
        """Whether a failure is kept that nobody has seen yet."""
        return self._failure is not None

    def raise_kept(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def seen(self) -> None:
        """The broker answered."""
        if self.broker_down:
            self.broker_down = False
            self.reconnects += 1
            log.info("kafka.up", address=self._settings.bootstrap_servers)

    def on_error(self, error: KafkaError) -> None:
        """Errors of no single partition, from the client's background."""
        if error.code() in UNAVAILABLE:
            self._lost_sight(error)
        elif error.code() in UNAUTHENTICATED or error.fatal():
            self.keep(translate(error, self._settings, "polling", self._name))
        else:
            log.warning("kafka.error", code=error.name(), detail=error.str())

    def on_partition_error(self, error: KafkaError, topic: str) -> None:
        """Errors that arrive between messages. That a topic is missing is believed when asked again."""
        code = error.code()
        if code == KafkaError._MAX_POLL_EXCEEDED or code in MOVED_ON:
            log.warning("kafka.left_group", group=self._name, code=error.name(), detail=error.str())
        elif code in UNAVAILABLE or self._passes(error, topic):
            self._lost_sight(error)
        else:
            self.keep(translate(error, self._settings, "polling", topic or self._name))

    def _passes(self, error: KafkaError, topic: str) -> bool:
        if error.code() in MISSING_TOPIC:
            return self._topic_exists(topic)
        return error.retriable() and not error.fatal()

    def commit_error(self, error: KafkaError) -> errors.BrokerError:
        if error.code() in MOVED_ON:
            return errors.GroupRebalanced(self._name, error.str())
        return translate(error, self._settings, "committing offsets", self._name)

    def _lost_sight(self, error: KafkaError) -> None:
        if not self.broker_down:
            log.warning("kafka.down", address=self._settings.bootstrap_servers, detail=error.str())
        self.broker_down = True
