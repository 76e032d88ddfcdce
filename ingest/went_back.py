"""A log that ended before its checkpoint is not believed again by itself: once it has grown past it, other
messages stand at offsets that were landed. What was seen is recorded in the table, for as long as the
checkpoint stays where it is.

Names of the application transactions: `went_back` where there is any such partition, `went_back:<partition>`
with the checkpoint that the log did not reach.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from lake.bronze import BronzePartition

ANY = "went_back"
TRUSTED = -1


class Table(Protocol):
    """What is needed of bronze."""

    def marks(self, names: Iterable[str]) -> dict[str, int | None]: ...
    def commit(
        self,
        files: Sequence[Any],
        checkpoints: Mapping[BronzePartition, int],
        starts: Mapping[BronzePartition, int] | None = None,
        *,
        marks: Mapping[str, int] | None = None,
    ) -> None: ...


def record(table: Table, partition: BronzePartition, checkpoint: int) -> None:
    """The log does not reach its checkpoint."""
    if partition not in went_back(table, {partition: checkpoint}):
        table.commit([], {partition: checkpoint}, marks={ANY: 1, _name(partition): checkpoint})


def trust(table: Table, partition: BronzePartition, checkpoint: int) -> None:
    """Somebody has made sure that the log is the one of before."""
    table.commit([], {partition: checkpoint}, marks={_name(partition): TRUSTED})


def went_back(table: Table, checkpoints: Mapping[BronzePartition, int | None]) -> set[BronzePartition]:
    """Those whose log did not reach the checkpoint that they still have."""
    if not table.marks([ANY])[ANY]:
        return set()
    found = table.marks(map(_name, checkpoints))
    return {
        partition
        for partition, checkpoint in checkpoints.items()
        if checkpoint is not None and found[_name(partition)] == checkpoint
    }


def _name(partition: BronzePartition) -> str:
    return f"{ANY}:{partition.transaction}"
