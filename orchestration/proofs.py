"""What only a look at Kafka and MongoDB can tell of bronze and of the state. This package opens neither:
whoever starts Dagster hands in how to look."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found by comparing stores."""

    covered: str
    """What was looked at, in words."""
    wrong: int = 0
    rows: Sequence[Mapping[str, Any]] = ()
    """The first of what is wrong; all have the same columns."""
    unknown: str | None = None
    """Why not all could be told, such as a store that is away. Then it is not proven."""


Prove = Callable[[], Proof]


@dataclass(frozen=True, slots=True)
class Proofs:
    """How to look."""

    offsets: Prove
    """Has every offset that history has passed one row, and does Kafka explain those without?"""
    state: Prove
    """Is the state what the history gives?"""
