"""A producer for many who wait at once: acknowledgements come by themselves, from a thread of its own."""

import threading
from typing import Self

import structlog

from broker import errors
from broker.producer import Producer
from broker.settings import KafkaSettings

POLL_S = 0.2
CLOSE_S = 5.0

log = structlog.get_logger()


class PolledProducer(Producer):
    """Idempotent producer that serves itself while its context lasts. Every message is told of once, in the
    polling thread, at the latest a second or so after `give_up_s`: where it was written, or why not.

    A message that was given up may have been written all the same: nobody answered.
    """

    def __init__(self, settings: KafkaSettings, *, give_up_s: float, linger_ms: int = 2) -> None:
        options = {"message.timeout.ms": int(give_up_s * 1000)}
        super().__init__(settings, linger_ms=linger_ms, options=options)
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="kafka-acknowledgements", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """What nobody was told of yet is told of as failed."""
        self._is_closing.set()
        self._thread.join(CLOSE_S)
        self._client.purge()
        self._serve(0.0)

    def _work(self) -> None:
        while not self._is_closing.is_set():
            try:
                self.poll(POLL_S)
            except errors.BrokerError as error:
                log.error("kafka.refused", reason=str(error))
