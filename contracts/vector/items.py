"""Readings of messages of shape list, many messages at once; the counterpart of `ListReader`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from contracts.catalog import Catalog
from contracts.limits import Limits
from contracts.meaning import Meanings as ByWireName
from contracts.model import ListShape
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
        self.wrapper = wrapper_type(shape, self._part_names)

    def leaves(self) -> dict[Path, Role]:
        return {self._items: "items"}

    def read(self, rows: Rows, extra: Sequence[Path]) -> Found:
        del extra  # fields beside the array are no signals
        arrays = column(rows, self._items)
        sizes = np.array([0 if items is None else len(items) for items in arrays], np.int64)
        of_item = np.repeat(np.arange(len(rows)), sizes)
        opened = self._opened(list(chain.from_iterable(filter(None, arrays))))
        codes = self._names.codes(opened.names)
        values = self._names.meanings.read(opened.values, codes)
        item = np.array(opened.item, np.int64)
        if opened.expanded:
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
        opened = Opened(names, values, list(range(len(items))), np.full(len(items), 2, np.int64))
        if self.wrapper is not None:
            self._unwrap(opened)
        return opened

    def _unwrap(self, opened: "Opened") -> None:
        """Takes values out of their wrappers. Most hold a number, and are not looked at one by one."""
        wrappers = opened.values
        try:
            opened.values = list(map(attrgetter("f0"), wrappers))
            opened.keys += 1
        except AttributeError:
            bare = [not isinstance(wrapper, msgspec.Struct) for wrapper in wrappers]
            pairs = zip(wrappers, bare, strict=True)
            opened.values = [wrapper if is_bare else wrapper.f0 for wrapper, is_bare in pairs]
            opened.keys += ~np.array(bare, bool)
        others = [index for index, value in enumerate(opened.values) if value is UNSET]
        for index in others:
            self._unwrap_other(opened, index, wrappers[index])
        if opened.expanded:
            kept = [index for index in opened.item if index not in opened.expanded]
            opened.names = [opened.names[index] for index in kept] + opened.part_names
            opened.values = [opened.values[index] for index in kept] + opened.part_values
            opened.item = kept + opened.part_item

    def _unwrap_other(self, opened: "Opened", index: int, wrapper: Any) -> None:
        """A wrapper that holds no number: a text, a truth, several signals, or nothing."""
        for attribute in wrapper.__struct_fields__:
            value = getattr(wrapper, attribute)
            if value is UNSET:
                continue
            if attribute == PARTS:
                self._expand(opened, index, value)
            else:
                opened.values[index] = value
            return
        opened.values[index] = None
        opened.unclear.append(index)

    def _expand(self, opened: "Opened", index: int, inner: Any) -> None:
        name = opened.names[index]
        if name not in self._objects:
            opened.values[index] = None
            opened.unclear.append(index)
            return
        opened.expanded.add(index)
        for position, part in enumerate(self._part_names):
            value = getattr(inner, f"f{position}")
            if value is not UNSET:
                opened.part_names.append((name, part))
                opened.part_values.append(value)
                opened.part_item.append(index)
                opened.keys[index] += 1


@dataclass(slots=True)
class Opened:
    """Names and values of items, and which item each belongs to; `keys` counts the keys of every item.
    `unclear` items are for the reference, `expanded` ones hold several signals, listed as parts."""

    names: list[Any]
    values: list[Any]
    item: list[int]
    keys: NDArray[np.int64]
    unclear: list[int] = field(default_factory=list)
    expanded: set[int] = field(default_factory=set)
    part_names: list[tuple[str, str]] = field(default_factory=list)
    part_values: list[Any] = field(default_factory=list)
    part_item: list[int] = field(default_factory=list)
