"""Wire names to codes, and codes to meanings and safe names, as columns."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.catalog import Catalog
from contracts.limits import Limits
from contracts.meaning import Meaning
from contracts.meaning import Meanings as ByWireName
from contracts.names import safe_name
from contracts.vector.values import Meanings

MAX_NAMES: Final = 20_000
"""Unknown names that are remembered; a storm of more starts the memory anew."""

UNREADABLE: Final = 0
"""The code of what is no name, or one whose value is an object: the reference must look."""

Wire = str | tuple[str, str]
"""A name, or a name and the part of its object."""


class NameCodes:
    """Codes of the names of one contract, and of unknown names as they come."""

    def __init__(self, meanings: ByWireName, catalog: Catalog, limits: Limits) -> None:
        self._known, self._catalog, self._limits = meanings, catalog, limits
        self._forget()

    def codes(self, names: Sequence[Any]) -> NDArray[np.intp]:
        """The code of each name, unknown ones learned."""
        try:
            return np.fromiter(map(self._codes.__getitem__, names), np.intp, len(names))
        except KeyError:
            self._learn(set(names))
        return np.array([self._codes.get(name, UNREADABLE) for name in names], np.intp)

    def codes_of_part(self, part: str) -> dict[str, int]:
        """Name of an object with several signals -> code of the part. Known names keep their codes."""
        return {
            wire[0]: code for wire, code in self._codes.items() if isinstance(wire, tuple) and wire[1] == part
        }

    def _learn(self, names: set[Any]) -> None:
        if len(self._codes) > MAX_NAMES:
            self._forget()
        for name in names - self._codes.keys():
            readable = isinstance(name, str) and 0 < len(name) <= self._limits.name_chars
            if readable and name not in self._known:
                self._add(name, safe_name(name, self._catalog), None)
        self._publish()

    def _forget(self) -> None:
        self._codes: dict[Any, int] = {}
        self._names: list[str] = [""]
        self._meanings: list[Meaning | None] = [None]
        for wire, meaning in self._known.items():
            if isinstance(meaning, Meaning):
                self._add(wire, meaning.signal, meaning)
            else:
                for part, one in meaning.items():
                    self._add((wire, part), one.signal, one)
        self._publish()

    def _add(self, wire: Wire, name: str, meaning: Meaning | None) -> None:
        self._codes[wire] = len(self._names)
        self._names.append(name)
        self._meanings.append(meaning)

    def _publish(self) -> None:
        self.names = pa.array(self._names, pa.string())
        """Safe or canonical name by code."""
        self.meanings = Meanings(self._meanings, self._limits)
        """Meaning by code."""
