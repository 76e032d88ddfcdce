"""Readings of messages of shape list, many messages at once; the counterpart of `ListReader`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, compress
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from contracts.catalog import Catalog
from contracts.limits import Limits
from contracts.meaning import Meanings as ByWireName
from contracts.parts import ListShape
from contracts.paths import steps
from contracts.vector.layout import ITEM_NAME, ITEM_VALUE, PARTS, Path, Role, Rows, wrapper_type
from contracts.vector.names import UNREADABLE, NameCodes
from contracts.vector.shapes import Found, column


class ListColumns:
    """An array of readings a message."""

    def __init__(self, shape: ListShape, found: ByWireName, catalog: Catalog, limits: Limits) -> None:
        self._names = NameCodes(found, catalog, limits)
        self._items = steps(shape.items)
        self._limits = limits
        self._objects = {wire: meaning for wire, meaning in found.items() if isinstance(meaning, dict)}
        self._part_names = list(dict.fromkeys(chain.from_iterable(self._objects.values())))
        self._part_codes = [self._names.codes_of_part(part) for part in self._part_names]
        """For each part, the code that it has in each object."""
        self.wrapper = wrapper_type(shape, self._part_names)

    def leaves(self) -> dict[Path, Role]:
        return {self._items: "items"}

    def read(self, rows: Rows, extra: Sequence[Path]) -> Found:
        del extra  # fields beside the array are no signals
        arrays = column(rows, self._items)
        sizes = np.array([0 if items is None else len(items) for items in arrays], np.int64)
        of_item = np.repeat(np.arange(len(rows)), sizes)
        opened = self._opened(list(chain.from_iterable(filter(None, arrays))))
        codes = np.concatenate([self._names.codes(opened.names), np.array(opened.part_codes, np.intp)])
        values = self._names.meanings.read(opened.values, codes)
        item = opened.item
        if opened.part_codes:
            order = np.argsort(item, kind="stable")
            item, codes, values = item[order], codes[order], values.take(order)
        message = of_item[item]
        judged = (sizes > 0) & (sizes <= self._limits.signals // 2)
        judged[message[~values.judged | (codes == UNREADABLE)]] = False
        judged[of_item[opened.unclear]] = False
        judged &= np.bincount(message[values.present], minlength=len(rows)) > 0
        keys = np.bincount(of_item, weights=opened.keys, minlength=len(rows)).astype(np.int64)
        return Found(values, message, codes, self._names.names, judged, keys)

    def _opened(self, items: list[Any]) -> "Opened":
        names = list(map(attrgetter(ITEM_NAME), items))
        values = list(map(attrgetter(ITEM_VALUE), items))
        opened = Opened(names, values, np.arange(len(items)), np.full(len(items), 2, np.int64))
        if self.wrapper is not None:
            self._unwrap(opened, self.wrapper)
        return opened

    def _unwrap(self, opened: "Opened", wrapper: type[msgspec.Struct]) -> None:
        """Takes values out of their wrappers, one kind of wrapper after the other; most hold a number."""
        wrappers = opened.values
        try:
            opened.values = list(map(attrgetter("f0"), wrappers))
            opened.keys += 1
        except AttributeError:
            bare = [not isinstance(value, wrapper) for value in wrappers]
            pairs = zip(wrappers, bare, strict=True)
            opened.values = [value if is_bare else value.f0 for value, is_bare in pairs]
            opened.keys += ~np.array(bare, bool)
        left = [index for index, value in enumerate(opened.values) if value is UNSET]
        parts: tuple[list[int], list[Any]] = ([], [])
        for attribute in wrapper.__struct_fields__[1:]:
            if not left:
                break
            inner = list(map(attrgetter(attribute), [wrappers[index] for index in left]))
            is_set = [value is not UNSET for value in inner]
            indexes, found = list(compress(left, is_set)), list(compress(inner, is_set))
            left = [index for index, value in zip(left, inner, strict=True) if value is UNSET]
            if attribute == PARTS:
                parts = indexes, found
            else:
                for index, value in zip(indexes, found, strict=True):
                    opened.values[index] = value
        opened.refer(left)
        opened.keys[left] -= 1  # an empty wrapper has no key
        if parts[0]:
            self._expand(opened, *parts)

    def _expand(self, opened: "Opened", indexes: list[int], objects: list[Any]) -> None:
        """Objects with several signals, as one reading for each behind all others."""
        names = [opened.names[index] for index in indexes]
        known = [name in self._objects for name in names]
        opened.refer([index for index, is_known in zip(indexes, known, strict=True) if not is_known])
        indexes, objects = list(compress(indexes, known)), list(compress(objects, known))
        names = list(compress(names, known))
        kept = np.ones(len(opened.names), bool)
        kept[indexes] = False
        each = kept.tolist()
        opened.names, opened.values = list(compress(opened.names, each)), list(compress(opened.values, each))
        opened.item = opened.item[kept]
        for position, codes in enumerate(self._part_codes):
            inner = list(map(attrgetter(f"f{position}"), objects))
            is_set = [value is not UNSET for value in inner]
            item = np.array(indexes, np.int64)[is_set]
            opened.keys[item] += 1
            opened.add([codes.get(name, UNREADABLE) for name in compress(names, is_set)], item)
            opened.values += compress(inner, is_set)


@dataclass(slots=True)
class Opened:
    """Names and values of items, and which item each belongs to; values of parts follow, with their codes.
    `keys` counts the keys of every item. Items in `unclear` are for the reference."""

    names: list[Any]
    values: list[Any]
    item: NDArray[np.int64]
    keys: NDArray[np.int64]
    unclear: list[int] = field(default_factory=list)
    part_codes: list[int] = field(default_factory=list)

    def add(self, codes: list[int], item: NDArray[np.int64]) -> None:
        """Parts of items."""
        self.part_codes += codes
        self.item = np.concatenate([self.item, item])

    def refer(self, indexes: list[int]) -> None:
        """Leaves items to the reference."""
        self.unclear += indexes
        for index in indexes:
            self.values[index] = None
