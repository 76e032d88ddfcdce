"""A transactional producer for the embedded broker, under a new id after each abort.

That broker tells read-committed readers to skip whatever a producer id once aborted, and goes on telling them
behind the abort: they would skip what the same id commits later, too. An id that aborted is never used again.
"""

from collections.abc import Callable, Mapping

from broker.errors import BrokerError
from broker.metadata import GroupMetadata
from broker.producer import Headers, TransactionalProducer
from broker.record import TopicPartition
from broker.stored_offset import NO_LIVES, Lives

STEP_SECONDS = 10.0


class RenewingProducer:
    """`next_id` gives an id that was never used before; `make` a producer under it."""

    def __init__(self, make: Callable[[str], TransactionalProducer], next_id: Callable[[], str]) -> None:
        self._make, self._next_id = make, next_id
        self._producer: TransactionalProducer | None = None
        self._successor: TransactionalProducer | None = None

    def init(self, timeout_s: float = STEP_SECONDS) -> None:
        """Begins under a new id. Once, before the first `begin`; again after Transient."""
        if self._successor is None:
            self._successor = self._make(self._next_id())
        self._successor.init(timeout_s)
        self._producer, self._successor = self._successor, None

    @property
    def first_failure(self) -> BrokerError | None:
        return self._current.first_failure

    def begin(self) -> None:
        self._current.begin()

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        *,
        partition: int | None = None,
    ) -> None:
        """Queues one message of the open transaction."""
        self._current.send(topic, key, value, headers, partition=partition)

    def send_offsets(
        self,
        offsets: Mapping[TopicPartition, int],
        group: GroupMetadata,
        timeout_s: float = STEP_SECONDS,
        lives: Lives = NO_LIVES,
    ) -> None:
        """Makes the group's offsets part of the open transaction."""
        self._current.send_offsets(offsets, group, timeout_s, lives)

    def commit(self, timeout_s: float = STEP_SECONDS) -> None:
        """Everything becomes visible. After Transient the outcome is open: commit again."""
        self._current.commit(timeout_s)

    def abort(self, timeout_s: float = STEP_SECONDS) -> None:
        """Ends the transaction, and the id with it. After Transient: again."""
        if self._successor is None:
            self._current.abort(timeout_s)
        self.init(timeout_s)

    @property
    def _current(self) -> TransactionalProducer:
        assert self._producer is not None  # noqa: S101 - init came first
        return self._producer
