"""The plain producer: messages that are acknowledged one by one. `TransactionalProducer` is its sibling."""

import time
from collections.abc import Callable, Mapping

import structlog
from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client

from broker import errors
from broker.record import Written
from broker.sender import Headers, Sender, written_at
from broker.settings import KafkaSettings
from broker.transactions import TransactionalProducer

__all__ = ["Acknowledged", "Headers", "Producer", "Told", "TransactionalProducer"]

Acknowledged = Callable[[errors.BrokerError | None], None]
"""Called once per message with None, or with why it was not written."""

Told = Callable[[Written | errors.BrokerError], None]
"""Called once per message with where it was written, or with why it was not."""

FLUSH_TIMEOUT_S = 60.0
FLUSH_STEP_S = 0.5

log = structlog.get_logger()


class Producer(Sender):
    """Idempotent producer. `delivered` and `failed` are final after `flush`.

    Where the broker has lost acknowledged messages (the embedded one, killed) its sequence numbers break:
    what was queued fails and is told so, and the next message begins anew.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        linger_ms: int = 5,
        options: Mapping[str, object] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(settings, {"linger.ms": linger_ms, **(options or {})})
        self._monotonic = monotonic
        self.delivered = 0

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        *,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        acknowledged: Acknowledged | None = None,
        told: Told | None = None,
    ) -> None:
        """Queues one message; waits while the queue is full. Raises what is wrong with the message itself.

        `told` is told where it was written, `acknowledged` only that it was; one of them at most.
        """
        report = self._count if acknowledged is None else self._report_to(acknowledged)
        if told is not None:
            report = self._tell(told)
        try:
            try:
                self._produce(topic, key, value, headers, partition, timestamp_ms, report)
            except KafkaException as error:
                if error.args[0].code() != KafkaError._FATAL:
                    raise
                self._begin_anew()
                self._produce(topic, key, value, headers, partition, timestamp_ms, report)
        except KafkaException as error:
            raise self._delivery_error(error.args[0], topic, len(value or b"")) from error

    def poll(self, timeout_s: float = 0.0) -> None:
        """Runs acknowledgements."""
        self._serve(timeout_s)
        self._raise_refusal()

    def flush(self, timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        """Returns when every message was acknowledged or has failed (`first_failure`, `failed`)."""
        deadline = self._monotonic() + timeout_s
        while left := len(self._client):
            self._serve(min(FLUSH_STEP_S, max(0.0, deadline - self._monotonic())))
            self._raise_refusal()
            if self._monotonic() >= deadline:
                detail = f"{left} messages are not acknowledged ({self._trouble})"
                raise errors.BrokerUnavailable(self._settings.bootstrap_servers, "flushing", detail)

    def _begin_anew(self) -> None:
        """A new client, after everything queued in the old one was told to have failed."""
        self._client.purge()
        while len(self._client):
            self._serve(FLUSH_STEP_S)
        log.warning("kafka.producer_renewed", detail=self._trouble)
        self._client = Client(self._options)

    def _count(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
        else:
            self._failed(error, message)

    def _report_to(self, acknowledged: Acknowledged) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self.delivered += 1
                acknowledged(None)
            else:
                acknowledged(self._failed(error, message))

        return report

    def _tell(self, told: Told) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self.delivered += 1
                told(written_at(message))
            else:
                told(self._failed(error, message))

        return report
