"""Messages of one layout, parsed many at a time into typed objects; whatever does not fit is left out.

A message that is handed on was parsed by the grammar that the reference uses, and holds only values of the
types that the layout names. Whether it has a key twice is for `contracts.vector.keys` to tell.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, Literal

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from contracts.parts import ListShape

Role = Literal["name", "time", "value", "items"]
Path = tuple[str, ...]
Leaves = Mapping[Path, Role]
"""Field path -> what stands there."""

Scalar = float | str | bool | None
ITEM_NAME: Final = "name"
ITEM_VALUE: Final = "value"
PARTS: Final = "parts"
"""Attributes of parsed items, and of the wrapper around a value for an object with several signals."""

_TYPES: Final[dict[Role, Any]] = {
    "name": str | int | None,
    "time": str | int | float | None,
    "value": Scalar,
}
_NOT_PARSED: Final = (msgspec.MsgspecError, UnicodeDecodeError, TypeError, RecursionError)
"""What a decoder raises on other layouts, broken JSON and null payloads."""


class Layout:
    """A set of field paths. `required`: a message has them all; else any may be missing. `closed`: and no
    others."""

    def __init__(
        self,
        leaves: Leaves,
        *,
        required: bool,
        closed: bool,
        items: ListShape | None = None,
        wrapper: type[msgspec.Struct] | None = None,
    ) -> None:
        self.leaves, self.required = dict(leaves), required
        self._closed, self._items = closed, items
        self._wrapper = wrapper
        self.attributes: dict[Path, str] = {}
        """Every path that a message of this layout may have, objects included -> attribute of its object."""
        self._decode = msgspec.json.Decoder(self._struct(_tree(self.leaves), ())).decode

    def parse(self, payloads: Sequence[bytes | None]) -> tuple[list[Any], list[int]]:
        """An object for each payload that fits, and the indexes of those that do not."""
        found: list[Any] = []
        misfits: list[int] = []
        rest = iter(payloads)
        while len(found) + len(misfits) < len(payloads):
            try:
                found.extend(map(self._decode, rest))  # type: ignore[arg-type]  # null payloads raise
            except _NOT_PARSED:
                misfits.append(len(found) + len(misfits))  # `extend` has kept what came before
        return found, misfits

    def _struct(self, tree: Mapping[str, Any], above: Path) -> type[msgspec.Struct]:
        fields: list[Any] = []
        names: dict[str, str] = {}
        for index, (key, below) in enumerate(tree.items()):
            path, attribute = (*above, key), f"f{index}"
            self.attributes[path] = attribute
            kind = self._struct(below, path) | None if isinstance(below, dict) else self._type(below)
            fields.append((attribute, kind) if self.required else (attribute, kind | UnsetType, UNSET))
            names[attribute] = key
        closed = self._closed or bool(above)
        return msgspec.defstruct("Object", fields, rename=names, gc=False, forbid_unknown_fields=closed)

    def _type(self, role: Role) -> Any:
        if role != "items" or self._items is None:
            return _TYPES[role]
        value = Scalar if self._wrapper is None else Scalar | self._wrapper
        fields: list[Any] = [(ITEM_NAME, str), (ITEM_VALUE, value)]
        names = {ITEM_NAME: self._items.name, ITEM_VALUE: self._items.value}
        item = msgspec.defstruct("Item", fields, rename=names, gc=False, forbid_unknown_fields=True)
        return list[item] | None  # type: ignore[valid-type]  # a type made from the contract


def wrapper_type(shape: ListShape, parts: Iterable[str]) -> type[msgspec.Struct] | None:
    """The object around a value: one key that tells its type. The first attribute is the number's."""
    if shape.wrappers is None:
        return None
    kind: Any = Scalar | UnsetType
    keys = dict.fromkeys(
        (shape.wrappers.number, shape.wrappers.text, shape.wrappers.bool, *shape.wrappers.also)
    )
    fields: list[Any] = [(f"f{index}", kind, UNSET) for index, _ in enumerate(keys)]
    names = {f"f{index}": key for index, key in enumerate(keys)}
    if shape.wrappers.parts not in keys:
        inner = [(f"f{index}", kind, UNSET) for index, _ in enumerate(parts)]
        inner_names = {f"f{index}": part for index, part in enumerate(parts)}
        part_type = msgspec.defstruct(
            "Parts", inner, rename=inner_names, gc=False, forbid_unknown_fields=True
        )
        fields.append((PARTS, part_type | UnsetType, UNSET))
        names[PARTS] = shape.wrappers.parts
    return msgspec.defstruct("Wrapper", fields, rename=names, gc=False, forbid_unknown_fields=True)


class Rows:
    """Parsed messages of a layout as columns, made when asked for."""

    def __init__(self, layout: Layout, objects: list[Any]) -> None:
        self._layout = layout
        self._raw: dict[Path, list[Any]] = {(): objects}

    def __len__(self) -> int:
        return len(self._raw[()])

    def column(self, path: Path) -> list[Any] | None:
        """Values at the path, None where it is null or missing; None if the layout does not have it."""
        if path not in self._layout.leaves:
            return None
        values = self._values(path)
        if self._layout.required and len(path) == 1:
            return values
        return [None if value is UNSET else value for value in values]

    def keys(self) -> int | NDArray[np.int64]:
        """How many keys of each message are accounted for."""
        paths = self._layout.attributes
        if self._layout.required and all(len(path) == 1 for path in paths):
            return len(paths)
        counts = np.zeros(len(self), np.int64)
        for path in paths:
            counts += np.fromiter((value is not UNSET for value in self._values(path)), bool, len(self))
        return counts

    def _values(self, path: Path) -> list[Any]:
        """As parsed: UNSET where the field, or the object it belongs to, is missing or null."""
        if path not in self._raw:
            get = attrgetter(self._layout.attributes[path])
            parents = self._values(path[:-1])
            try:
                self._raw[path] = list(map(get, parents))
            except AttributeError:
                there = [parent is not None and parent is not UNSET for parent in parents]
                pairs = zip(parents, there, strict=True)
                self._raw[path] = [get(parent) if real else UNSET for parent, real in pairs]
        return self._raw[path]


def _tree(leaves: Leaves) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, role in leaves.items():
        node = tree
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = role
    return tree
