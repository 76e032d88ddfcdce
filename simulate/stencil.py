"""Messages as text with holes: what `encode` writes for a set of signals, cut once and then only filled in.
Whoever cuts a stencil compares it with `encode` on a second event, and uses it only if they agree."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec

from contracts.model import Contract
from contracts.parts import TimeSource
from contracts.units import IDENTITY, Conversion
from contracts.write_times import time_writer

US: Final = 1_000_000
REMEMBERED_SECONDS: Final = 4096
SMALL: Final = 1e-3
"""Below, Python spells numbers with an exponent."""
MARK: Final = "\u2063"
"""A character that no vehicle, signal or filler of a contract contains."""


class Facts(NamedTuple):
    """What a message says besides its values."""

    vehicle_id: str
    event_us: int
    received_us: int | None
    sensor: str | None


CUT_FROM: Final = Facts(f"{MARK}vehicle", 1_600_000_001_234_000, 1_600_000_002_345_000, f"{MARK}sensor")


class Holes:
    """What may stand in the holes of one contract's messages: vehicle, sensor, times, then values."""

    def __init__(self, contract: Contract, conversions: Sequence[Conversion]) -> None:
        self._times = [(time_text(source), False) for source in contract.event_time if not source.columns]
        if contract.received_time and not contract.received_time.columns:
            self._times.append((time_text(contract.received_time), True))
        self._conversions = None if set(conversions) == {IDENTITY} else list(conversions)

    def texts(self, facts: Facts, values: Sequence[float]) -> list[str | None]:
        """Everything as text, whole numbers without a fraction."""
        vehicle_id, event_us, received_us, sensor = facts
        found = [vehicle_id, sensor]
        if received_us is None:
            received_us = event_us
        for text, received in self._times:
            found.append(text(received_us if received else event_us))
        if self._conversions:
            values = [one.to_wire(value) for one, value in zip(self._conversions, values, strict=True)]
        for value in values:
            plain = value % 1 and not -SMALL < value < SMALL
            found.append(repr(value) if plain else _number(value))
        return found


class Stencil:
    """The text of a message, and which fact or value fills which of its holes."""

    def __init__(self, payload: bytes, holes: Holes, values: Sequence[float]) -> None:
        """Cut from what `encode` wrote for `CUT_FROM` and these values, no two of which are equal."""
        self._holes = holes
        index = {text: number for number, text in enumerate(holes.texts(CUT_FROM, values))}
        order: list[int] = []
        marked = msgspec.json.encode(_marked(msgspec.json.decode(payload), index, order)).decode()
        text = marked.replace("%", "%%")
        self._text = text.replace(f'"{MARK}number"', "%s").replace(f"{MARK}text", "%s")
        self._pick: Callable[[Sequence[Any]], tuple[Any, ...]] = itemgetter(*order, 0, 0)
        self._filled = len(order)

    def fill(self, facts: Facts, values: Sequence[float]) -> bytes:
        """The payload."""
        return (self._text % self._pick(self._holes.texts(facts, values))[: self._filled]).encode()


def _number(value: float) -> str:
    """Whole or very small, as the encoder spells it."""
    return msgspec.json.encode(value if value % 1 else int(value)).decode()


def _marked(node: Any, index: dict[str | None, int], order: list[int]) -> Any:
    """The document with marks in place of the facts and values, whose indexes are added to `order`."""
    if isinstance(node, dict):
        return {key: _marked(value, index, order) for key, value in node.items()}
    if isinstance(node, list):
        return [_marked(value, index, order) for value in node]
    number = index.get(str(node))
    if number is None:
        return node
    order.append(number)
    return f"{MARK}text" if isinstance(node, str) else f"{MARK}number"


def time_text(source: TimeSource) -> Callable[[int], str]:
    """Times as text, as the contract's writer gives them; seconds are remembered."""
    write = time_writer(source)
    if source.format[0] != "iso":
        return lambda time_us: str(write(time_us))
    whole = str(write(CUT_FROM.event_us // US * US))
    suffix = "Z" if whole.endswith("Z") else "+00:00"
    digits = max(0, len(whole.removesuffix(suffix)) - 20)
    remembered: dict[int, str] = {}

    def text(time_us: int) -> str:
        second, micros = divmod(time_us, US)
        head = remembered.get(second)
        if head is None:
            if len(remembered) > REMEMBERED_SECONDS:
                remembered.clear()
            head = remembered[second] = str(write(second * US))[:19]
        if digits == 3 and not micros % 1000:
            return f"{head}.{micros // 1000:03d}{suffix}"
        fraction = f"{micros:06d}"
        fraction = fraction[:digits] + fraction[digits:].rstrip("0")
        return f"{head}.{fraction}{suffix}" if fraction else head + suffix

    return text
