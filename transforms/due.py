"""Which partitions of a mart are due: those that would now be made from something else than they were.

A partition's number stands for all that it is made from: the model with its thresholds, and the rows of every
table read, as far as the model's reach goes. The number is recorded with the partition. There is no event to
be missed: whatever was late, killed or changed shows as a number that differs.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from lake.gold import WHOLE
from lake.snapshot import Snapshot
from transforms.model import Model


@dataclass(frozen=True, slots=True)
class Makings:
    """What the partitions of one model would be made from now."""

    model: Model
    sources: Mapping[str, Snapshot]
    parameters: Mapping[str, Any]

    def partitions(self) -> list[str]:
        """Those of which a table read has rows, in order."""
        if self.model.about.partition is None:
            return [WHOLE]
        days = {day for source in self.sources.values() for day in source.marks}
        return sorted(days - {WHOLE})

    def number(self, partition: str) -> int:
        """Of 63 bits, so that Delta can record it; another one for other makings."""
        made_from = [self._definition(), *self._marks(partition)]
        digest = hashlib.blake2b(json.dumps(made_from, default=str).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") >> 1

    def due(self, built: Mapping[str, int]) -> list[str]:
        """The partitions that `built` has no number of, or another; in order."""
        known = sorted({*self.partitions(), *built})
        return [each for each in known if built.get(each) != self.number(each)]

    def _definition(self) -> list[Any]:
        about = self.model.about
        columns = {name: column.type for name, column in about.columns.items()}
        return [self.model.sql, about.partition, about.sort, columns, sorted(self.parameters.items())]

    def _marks(self, partition: str) -> Iterator[list[Any]]:
        for name, source in sorted(self.sources.items()):
            if partition == WHOLE:
                yield from ([name, day, mark] for day, mark in sorted(source.marks.items()))
                continue
            for day in (WHOLE, *days_read(self.model, partition)):
                if day in source.marks:
                    yield [name, day, source.marks[day]]


def days_read(model: Model, partition: str) -> list[str]:
    """The days that rows of a day depend on, in order: its own and those within the model's reach."""
    day, reach = date.fromisoformat(partition).toordinal(), model.about.reach
    first = max(day - reach.before, date.min.toordinal())
    last = min(day + reach.after, date.max.toordinal())
    return [date.fromordinal(each).isoformat() for each in range(first, last + 1)]
