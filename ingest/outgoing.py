"""A message that routes is about to send, and the kinds of them."""

from typing import Literal, NamedTuple

from broker.record import Headers

Kind = Literal["dead_letter", "anomaly", "reading", "maximum", "metrics"]


class Outgoing(NamedTuple):
    """A Kafka message to be; without a partition its key decides."""

    kind: Kind
    topic: str
    key: bytes | None
    value: bytes
    headers: Headers | None = None
    partition: int | None = None
