"""Decodes the messages that look like most do, many at a time; all others are for the reference.

Two layouts are tried. The strict one has the fields of a message seen lately, all required: it costs least.
The loose one has the contract's fields, each optional. What a layout is changes speed only, never results.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.catalog import Catalog
from contracts.envelope import Headers
from contracts.limits import Limits
from contracts.meaning import meanings
from contracts.model import Contract
from contracts.parse import parse_object
from contracts.paths import is_plain, steps
from contracts.result import Refused
from contracts.schema import DECODED
from contracts.vector.envelope import EnvelopeColumns
from contracts.vector.items import ListColumns
from contracts.vector.keys import every_key_once
from contracts.vector.layout import Layout, Path, Role, Rows
from contracts.vector.rows import Positions, record_batch
from contracts.vector.shapes import LongColumns, ShapeColumns, WideColumns

MAX_LEAVES = 256
"""Fields of a strict layout; a message with more is no typical one."""
FEW = 32
"""Messages for which a second layout does not pay."""
RETRY = 16
"""Batches until a layout that did not pay is tried again."""
SAMPLES = 3
"""Messages that are looked at to find a strict layout, per batch."""


@dataclass(frozen=True, slots=True)
class Messages:
    """Some messages of a batch, by columns; `positions` are their rows in the batch."""

    positions: Positions
    payloads: Sequence[bytes | None]
    kafka_times_ms: NDArray[np.int64]
    keys: Sequence[bytes | None]
    headers: Sequence[Headers]

    def of(self, chosen: NDArray[np.bool_]) -> "Messages":
        """The chosen ones."""
        each = chosen.tolist()
        return Messages(
            self.positions[chosen],
            list(compress(self.payloads, each)),
            self.kafka_times_ms[chosen],
            list(compress(self.keys, each)),
            list(compress(self.headers, each)),
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """Decoded messages, and their rows in the batch."""

    positions: Positions
    decoded: pa.RecordBatch


NO_MESSAGES: Final = Messages(np.zeros(0, np.int64), [], np.zeros(0, np.int64), [], [])
NOTHING: Final = Taken(np.zeros(0, np.int64), pa.RecordBatch.from_pylist([], DECODED))


class VectorPath:
    """The fast way through the messages of one contract."""

    def __init__(self, contract: Contract, catalog: Catalog, limits: Limits) -> None:
        self._contract, self._limits = contract, limits
        self._envelope = EnvelopeColumns(contract, limits)
        self._shape = _shape_columns(contract, catalog, limits)
        self._known: dict[Path, Role] = {**self._envelope.leaves(), **self._shape.leaves()}
        self._beside: dict[Path, Role] = {
            steps(name): "value" for name in (*contract.template, *contract.ignore)
        }
        loose = {**self._beside, **self._known}
        self._loose = self._layout(_without_objects(loose), required=False)
        self._strict: Layout | None = None
        self._loose_pays, self._rounds = True, 0

    def decode(self, messages: Messages) -> list[Taken]:
        """What can be decoded here, in any order."""
        if self._strict is None:
            self._learn(messages.payloads)
        taken: list[Taken] = []
        if self._strict is not None:
            before = len(messages.positions)
            part, messages = self._apply(self._strict, messages)
            taken.append(part)
            if 2 * len(messages.positions) > before:
                self._learn(messages.payloads)
        if len(messages.positions) >= FEW and self._is_loose_worthwhile():
            part, others = self._apply(self._loose, messages)
            taken.append(part)
            self._loose_pays = len(part.positions) > len(others.positions) // 4
        return [part for part in taken if len(part.positions)]

    def _is_loose_worthwhile(self) -> bool:
        """Where only broken messages are left over, the loose layout is tried now and then."""
        self._rounds += 1
        return self._loose_pays or self._rounds % RETRY == 0

    def _apply(self, layout: Layout, messages: Messages) -> tuple[Taken, Messages]:
        """What the layout can decode, and the messages that do not fit it."""
        objects, misfits = layout.parse(messages.payloads)
        if not misfits:
            return self._decoded(layout, messages, objects), NO_MESSAGES
        fits = np.ones(len(messages.positions), bool)
        fits[misfits] = False
        others = messages.of(~fits)
        if not objects:
            return NOTHING, others
        return self._decoded(layout, messages.of(fits), objects), others

    def _decoded(self, layout: Layout, messages: Messages, objects: list[Any]) -> Taken:
        rows = Rows(layout, objects)
        facts = self._envelope.read(rows, messages.kafka_times_ms, messages.keys, messages.headers)
        extra = [path for path in layout.leaves if path not in self._known and path not in self._beside]
        found = self._shape.read(rows, extra)
        payloads: list[bytes] = messages.payloads  # type: ignore[assignment]  # null ones never fit a layout
        good = facts.judged & found.judged & every_key_once(payloads, rows.keys() + found.keys)
        if max(map(len, payloads)) > self._limits.message_bytes:
            good &= np.array([len(payload) <= self._limits.message_bytes for payload in payloads], bool)
        chosen = np.flatnonzero(good)
        decoded = record_batch(self._contract, facts, chosen, found.readings(good))
        return Taken(messages.positions[chosen], decoded)

    def _learn(self, payloads: Sequence[bytes | None]) -> None:
        """A strict layout from the first message that can be one."""
        for payload in payloads[:: max(1, len(payloads) // SAMPLES)][:SAMPLES]:
            parsed = parse_object(payload, self._limits)
            if isinstance(parsed, Refused) or parsed.duplicates:
                continue
            leaves = self._leaves_of(parsed.fields)
            if leaves is not None:
                self._strict = self._layout(leaves, required=True)
                return

    def _leaves_of(self, fields: dict[str, Any]) -> dict[Path, Role] | None:
        objects = {path[:-1] for path in self._known if len(path) > 1}
        leaves: dict[Path, Role] = {}
        for path, value in _scalars(fields, (), objects):
            role = self._known.get(path, "value")
            if (role == "items") != isinstance(value, list) or isinstance(value, dict):
                return None
            leaves[path] = role
            if sum(map(len, path)) > self._limits.name_chars or len(leaves) > MAX_LEAVES:
                return None
            if path in objects or not is_plain(path[-1]):
                return None
        return leaves

    def _layout(self, leaves: dict[Path, Role], *, required: bool) -> Layout:
        closed = required or self._contract.shape == "wide"
        return Layout(
            leaves,
            required=required,
            closed=closed,
            items=self._contract.list_shape,
            wrapper=self._shape.wrapper,
        )


def _scalars(fields: dict[str, Any], above: Path, objects: set[Path]) -> Iterable[tuple[Path, Any]]:
    for key, value in fields.items():
        path = (*above, key)
        if path in objects and isinstance(value, dict):
            yield from _scalars(value, path, objects)
        else:
            yield path, value


def _without_objects(leaves: dict[Path, Role]) -> dict[Path, Role]:
    """Without paths that are the beginning of others."""
    objects = {path[:length] for path in leaves for length in range(1, len(path))}
    return {path: role for path, role in leaves.items() if path not in objects}


def _shape_columns(contract: Contract, catalog: Catalog, limits: Limits) -> ShapeColumns:
    found = meanings(contract, catalog)
    if contract.long_shape:
        return LongColumns(contract.long_shape, found, catalog, limits)
    if contract.list_shape:
        return ListColumns(contract.list_shape, found, catalog, limits)
    return WideColumns(contract, found, catalog, limits)
