"""From what a vehicle reports to the bytes of a message, for any contract: by stencil where one fits, else by
`encode`; both give the same bytes."""

from collections.abc import Sequence
from typing import Final

from contracts.catalog import Catalog
from contracts.encode import Encoder, Event, Reading
from contracts.meaning import Meaning, meanings
from contracts.model import Contract
from contracts.units import Conversion
from simulate.channels import Channel, Value
from simulate.reporters import Observation
from simulate.stencil import CUT_FROM, Facts, Holes, Stencil

Headers = tuple[tuple[str, bytes], ...]
Written = tuple[bytes, bytes, Headers]
"""Key, payload, headers."""
TESTED_WITH: Final = Facts("WVWZZZ1", 1_712_345_678_901_000, 1_712_345_679_012_000, "wvwzzz1_01")


class Writer:
    """Writes the messages of one source."""

    def __init__(self, contract: Contract, catalog: Catalog) -> None:
        self._contract = contract
        self._encoder = Encoder(contract, catalog)
        self._numbers = _conversions(contract, catalog)
        self._by_sensor = contract.message_key == "sensor"
        self._stencils: dict[tuple[str, bool], Stencil | None] = {}
        received_in_header = contract.received_time is not None and contract.received_time.header is not None
        self._cuts = contract.shape != "list" and not received_in_header

    def write(self, facts: Facts, seen: Observation) -> Written:
        """The message for one observation."""
        if self._cuts:
            form = _form(seen[0])
            if form not in self._stencils:
                self._stencils[form] = self._cut([channel.signal for channel, _ in seen], whole=form[1])
            stencil = self._stencils[form]
            if stencil is not None:
                key = facts.sensor if self._by_sensor and facts.sensor else facts.vehicle_id
                return key.encode(), stencil.fill(facts, [value for _, value in seen]), ()  # type: ignore[misc]
        return self._encoded(facts, [(channel.signal, value) for channel, value in seen])

    def uses_stencil(self, first: tuple[Channel, Value]) -> bool:
        """Whether messages that begin with such a value are written by stencil."""
        return self._stencils.get(_form(first)) is not None

    def _encoded(self, facts: Facts, values: Sequence[tuple[str, Value]]) -> Written:
        vehicle_id, event_us, received_us, sensor = facts
        readings = tuple(Reading(signal, value, event_us, sensor) for signal, value in values)
        message = self._encoder.encode(Event(vehicle_id, event_us, received_us, readings))[0]
        return message.key, message.payload, message.headers

    def _cut(self, signals: Sequence[str], *, whole: bool) -> Stencil | None:
        """A stencil for numbers, whole or not; None if one of the signals is no number, or if it would not
        write what `encode` writes."""
        conversions = [self._numbers[signal] for signal in signals if signal in self._numbers]
        if len(conversions) < len(signals):
            return None
        holes = Holes(self._contract, conversions)
        fraction = 0.0 if whole else 0.5
        first, second = (
            [one.to_canonical(base + index + fraction) for index, one in enumerate(conversions)]
            for base in (70_001.0, 41.0)
        )
        payload = self._encoded(CUT_FROM, list(zip(signals, first, strict=True)))[1]
        stencil = Stencil(payload, holes, first)
        tested = self._encoded(TESTED_WITH, list(zip(signals, second, strict=True)))[1]
        return stencil if stencil.fill(TESTED_WITH, second) == tested else None


def _form(first: tuple[Channel, Value]) -> tuple[str, bool]:
    """What decides the form of a message: its first signal, and whether that is a whole number."""
    channel, value = first
    return channel.signal, not isinstance(value, str) and value % 1 == 0


def _conversions(contract: Contract, catalog: Catalog) -> dict[str, Conversion]:
    """Units of the signals that are numbers with a field of their own."""
    found: dict[str, Conversion] = {}
    for meaning in meanings(contract, catalog).values():
        if isinstance(meaning, Meaning) and meaning.kind != "text":
            found.setdefault(meaning.signal, meaning.conversion)
    return found
