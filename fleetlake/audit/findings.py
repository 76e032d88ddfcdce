"""What an audit has found, gathered so that a million faults of one kind are one readable page."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LISTED = 100
"""Problems of one kind that are listed one by one; the counts are complete."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is off. `facts` are its coordinates and values, for programs."""

    kind: str
    where: str
    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        return f"{self.kind}: {self.where}: {self.detail}"

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "where": self.where, "detail": self.detail, **self.facts}


@dataclass
class Findings:
    """Collects problems, and remarks that are none."""

    counts: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)
    _listed: list[Problem] = field(default_factory=list)

    def add(self, problem: Problem, count: int = 1) -> None:
        """A problem; `count` where it stands for several, e.g. a range of offsets."""
        if sum(listed.kind == problem.kind for listed in self._listed) < LISTED:
            self._listed.append(problem)
            self._listed_counts[problem.kind] += count
        self.counts[problem.kind] += count

    def remark(self, text: str) -> None:
        """Something worth knowing that is not wrong."""
        self.remarks.append(text)

    @property
    def is_clean(self) -> bool:
        return not self.counts

    @property
    def problems(self) -> list[Problem]:
        """Those listed, and one line for the rest of each kind."""
        return [*self._listed, *self._rest()]

    def _rest(self) -> Iterator[Problem]:
        for kind, count in self.counts.items():
            left = count - self._listed_counts[kind]
            if left:
                yield Problem(kind, "elsewhere", f"{left:,} more of this kind", {"count": left})

    _listed_counts: Counter[str] = field(default_factory=Counter)


def ranges(offsets: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Rising offsets as (first, last), both included."""
    first = last = None
    for offset in offsets:
        if first is None or last is None:
            first = last = offset
        elif offset == last + 1:
            last = offset
        else:
            yield first, last
            first = last = offset
    if first is not None and last is not None:
        yield first, last


def offsets_text(first: int, last: int) -> str:
    """One offset or a range, as people read it."""
    return f"offset {first}" if first == last else f"offsets {first} to {last}"
