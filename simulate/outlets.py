"""Where messages go: to Kafka, into a file, or nowhere. Every outlet calls a message's receipt once, when it
is known whether it arrived."""

import gzip
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

from broker.errors import MessageTooLarge
from broker.producer import Producer
from simulate.parcel import Parcel
from simulate.wrapping import wrap

POLL_EVERY: Final = 1_000
"""Messages between two looks for acknowledgements, so that few are kept waiting."""


class Outlet(Protocol):
    """Takes messages."""

    def send(self, parcel: Parcel) -> None: ...

    def breathe(self) -> None:
        """Called before a pause: whatever waits is looked after."""

    def close(self) -> None:
        """Returns when every receipt was called, or raises."""


class KafkaOutlet:
    """Sends to Kafka. A message that is too large is a failed one; its siblings go on."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._since_poll = 0
        self._too_large: MessageTooLarge | None = None

    def send(self, parcel: Parcel) -> None:
        _, topic, key, payload, headers, receipt = parcel
        try:
            self._producer.send(topic, key, payload, headers, acknowledged=receipt)
        except MessageTooLarge as error:
            self._too_large = self._too_large or error
            receipt(error)
        self._since_poll += 1
        if self._since_poll >= POLL_EVERY:
            self.breathe()

    def breathe(self) -> None:
        self._since_poll = 0
        self._producer.poll()

    def close(self) -> None:
        self._producer.flush()

    @property
    def first_failure(self) -> Exception | None:
        """Why the first message that was lost was lost."""
        return self._too_large or self._producer.first_failure


class FileOutlet:
    """Writes a line per message, as `simulate.wrapping` says. Packed when the name ends with .gz."""

    def __init__(self, path: Path) -> None:
        packed = path.suffix == ".gz"
        self._file = cast(BinaryIO, gzip.open(path, "wb", 3) if packed else path.open("wb"))  # noqa: SIM115 - closed by close()

    def send(self, parcel: Parcel) -> None:
        self._file.write(wrap(parcel) + b"\n")
        parcel.receipt(None)

    def breathe(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class NoOutlet:
    """Counts and forgets."""

    def send(self, parcel: Parcel) -> None:
        parcel.receipt(None)

    def breathe(self) -> None:
        return

    def close(self) -> None:
        return
