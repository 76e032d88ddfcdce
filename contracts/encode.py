"""Events to messages: the inverse of decoding, for simulation and tests.

Values are given in canonical units and names and leave in the source's. decode(encode(e)) is e, to the
resolution of the source's times, and but for a last binary digit where units are converted.
"""

from collections.abc import Sequence
from functools import lru_cache

from contracts.catalog import Catalog
from contracts.events import CannotEncode, Event, Message, Reading
from contracts.load import load_catalog
from contracts.model import Contract
from contracts.write_fields import EnvelopeWriter
from contracts.write_shapes import WireNames, shape_writer

__all__ = ["CannotEncode", "Encoder", "Event", "Message", "Reading", "encode"]


def encode(contract: Contract, event: Event) -> list[Message]:
    """The messages that carry the event. Raises CannotEncode for a signal that the source does not have."""
    return _encoder(contract).encode(event)


@lru_cache(maxsize=64)
def _encoder(contract: Contract) -> "Encoder":
    return Encoder(contract, load_catalog())


class Encoder:
    """Writes the messages of one contract."""

    def __init__(self, contract: Contract, catalog: Catalog) -> None:
        self._contract = contract
        self._envelope = EnvelopeWriter(contract)
        self._shape = shape_writer(contract, WireNames(contract, catalog))

    def encode(self, event: Event) -> list[Message]:
        """In the order of the readings."""
        return [self._message(event, group) for group in self._shape.groups(event)]

    def _message(self, event: Event, group: Sequence[Reading]) -> Message:
        fields = self._envelope.fields(event, group[0])
        self._shape.write(fields, group)
        by_sensor = self._contract.message_key == "sensor" and group[0].sensor is not None
        key = str(group[0].sensor) if by_sensor else event.vehicle_id
        headers = self._envelope.headers(event)
        return Message(self._contract.topics[0], key.encode(), fields.payload(), headers)
