"""A valid message taken apart, so that one thing in it can be broken: where its facts and values stand is
known from the contract."""

from collections.abc import Sequence
from typing import Any

import msgspec

from contracts.model import Contract
from contracts.parts import TimeSource
from contracts.paths import steps

Json = Any
PLACEHOLDER = "\u2063raw\u2063"
"""Stands for a token that is no JSON until the document is written."""


class Document:
    """The message as an object to be changed."""

    def __init__(self, contract: Contract, payload: bytes) -> None:
        self._contract = contract
        self.root: dict[str, Json] = msgspec.json.decode(payload)

    def set(self, path: str, value: Json) -> None:
        """Writes the field at a contract's path."""
        *objects, leaf = steps(path)
        node = self.root
        for step in objects:
            node = node.setdefault(step, {})
        node[leaf] = value

    def delete(self, path: str) -> None:
        """Takes the field away, where it is."""
        *objects, leaf = steps(path)
        node = self.root
        for step in objects:
            node = node.get(step, {})
        node.pop(leaf, None)

    def set_value(self, value: Json, signal: str) -> None:
        """Gives the named signal another value, in the contract's shape."""
        contract = self._contract
        if contract.long_shape:
            for path in contract.long_shape.value_fields:
                self.set(path, value)
        elif contract.list_shape:
            for item in self.items():
                if contract.fields[item[contract.list_shape.name]].signal == signal:
                    item[contract.list_shape.value] = value
        else:
            for wire, field in contract.fields.items():
                if field.signal == signal:
                    self.set(wire, value)

    def items(self) -> list[dict[str, Json]]:
        """The array of a list-shaped message."""
        node: Json = self.root
        for step in steps(self._contract.list_shape.items if self._contract.list_shape else ""):
            node = node[step]
        return list(node)

    def keep_only_envelope(self) -> None:
        """Takes everything away that is not vehicle, sensor or time."""
        kept = {steps(path)[0] for path in envelope_paths(self._contract)}
        self.root = {key: value for key, value in self.root.items() if key in kept}

    def written(self, token: bytes | None = None) -> bytes:
        """As bytes, with a raw token where the placeholder stands."""
        payload = msgspec.json.encode(self.root)
        return payload if token is None else payload.replace(msgspec.json.encode(PLACEHOLDER), token)


def time_paths(sources: Sequence[TimeSource]) -> list[str]:
    """The fields that times stand in."""
    paths: list[str] = []
    for source in sources:
        if source.columns:
            paths += [source.columns.date, source.columns.time]
        elif source.field:
            paths.append(source.field)
    return paths


def envelope_paths(contract: Contract) -> list[str]:
    """The fields that say whose message it is and of when."""
    received = (contract.received_time,) if contract.received_time else ()
    paths = time_paths((*contract.event_time, *received))
    if contract.vehicle.field:
        paths.append(contract.vehicle.field)
    if contract.sensor:
        paths.append(contract.sensor.field)
    return paths
