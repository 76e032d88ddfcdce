"""One message on its way out: what simulation and replay make, and every outlet takes."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from broker.errors import BrokerError

Headers = Sequence[tuple[str, bytes | None]]
Receipt = Callable[[BrokerError | None], None]
"""Called once, when the message was acknowledged (None) or is lost."""


class Parcel(NamedTuple):
    """A message, and when it is due in seconds since the beginning of what is played."""

    due: float
    topic: str
    key: bytes | None
    payload: bytes | None
    headers: Headers
    receipt: Receipt
