"""What every producer has in common: acknowledged by all in-sync replicas, written once, a bounded queue.

Keys go to the partition that Java clients choose too, so that other programs may write the same topics.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client

from broker import errors
from broker.client import TOO_LARGE, UNAUTHENTICATED, client_options, translate
from broker.record import Written
from broker.settings import KafkaSettings

Headers = Sequence[tuple[str, bytes | None]]

ANY_PARTITION = -1
FULL_QUEUE_POLL_S = 0.05

PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})

OPTIONS: Mapping[str, object] = {
    "acks": "all",
    "enable.idempotence": True,
    # With more, a message may be called acknowledged and be lost: where a producer's first request to a
    # partition is refused (its leader has only just come) and its next one is not, the client takes that for
    # both. Seen on Kafka 4.3.1; confluent-kafka-go issue 921.
    "max.in.flight.requests.per.connection": 1,
    "partitioner": "murmur2_random",
    "linger.ms": 5,
    "queue.buffering.max.messages": 200_000,
    "queue.buffering.max.kbytes": 128 * 1024,
    "message.max.bytes": 16 * 1024 * 1024,  # the topic's own limit decides, not the client's 1 MB
    "compression.type": "lz4",
    "allow.auto.create.topics": False,
}


class Sender:
    """What both producers share: a bounded queue and counted deliveries."""

    def __init__(self, settings: KafkaSettings, options: Mapping[str, object]) -> None:
        self._settings = settings
        self._options = client_options(settings, {**OPTIONS, **options, "error_cb": self._on_error})
        self._client = Client(self._options)
        self._refused: errors.BrokerError | None = None
        self._trouble = "no answer"
        self._final: KafkaError | None = None
        self.sent = 0
        self.failed = 0
        self.first_failure: errors.BrokerError | None = None

    def _produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None,
        partition: int | None,
        timestamp_ms: int | None,
        on_delivery: Callable[[KafkaError | None, Message], None],
    ) -> None:
        """Queues one message; waits while the queue is full."""
        where = ANY_PARTITION if partition is None else partition
        while True:
            try:
                self._client.produce(
                    topic,
                    value,
                    key,
                    where,
                    on_delivery=on_delivery,
                    timestamp=timestamp_ms or 0,
                    headers=list(headers) if headers else None,
                )
            except BufferError:
                self._serve(FULL_QUEUE_POLL_S)
                self._raise_refusal()
                continue
            self.sent += 1
            return

    def _serve(self, timeout_s: float) -> None:
        """Runs acknowledgements. A final error is raised here by the client, and fails every message too."""
        try:
            self._client.poll(timeout_s)
        except KafkaException as error:
            self._final = error.args[0]
            self._trouble = self._final.str()

    def _on_error(self, error: KafkaError) -> None:
        """A refused login would otherwise show only when messages time out, after minutes."""
        if error.code() in UNAUTHENTICATED:
            self._refused = translate(error, self._settings, "logging in")
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._trouble = error.str()

    def _raise_refusal(self) -> None:
        refused, self._refused = self._refused, None
        if refused is not None:
            raise refused

    def _failed(self, error: KafkaError, message: Message) -> errors.BrokerError:
        self.failed += 1
        failure = self._delivery_error(error, message.topic() or "", len(message))
        self.first_failure = self.first_failure or failure
        return failure

    def _delivery_error(self, error: KafkaError, topic: str, size: int) -> errors.BrokerError:
        if error.code() in TOO_LARGE:
            return errors.MessageTooLarge(topic, size, error.str())
        doing = f"writing to {topic}"
        if error.code() in PURGED:
            return errors.BrokerUnavailable(self._settings.bootstrap_servers, doing, self._trouble)
        return translate(error, self._settings, doing, topic)


def written_at(message: Message) -> Written:
    """The place of a message that was acknowledged."""
    return Written(cast("int", message.partition()), cast("int", message.offset()))
