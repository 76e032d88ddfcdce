"""Builds partitions of a mart.

1. The mart is opened, before anything that it is made from.
2. What it reads is opened; each table stays at that version.
3. Every partition is made by itself, from the days within the model's reach and no others: its rows are the
   same whichever partitions are built beside it.
4. They replace what was there, and in the same commit each partition's number is recorded.

A crash before 4 leaves nothing; a build that another one has overtaken is refused in 4.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import islice

from sqlglot import exp

from lake.bronze import open_or_create
from lake.engine import Days
from lake.errors import TableMissing
from lake.gold import WHOLE, Gold
from lake.schemas import TABLES
from lake.settings import LakeSettings
from lake.snapshot import Snapshot, snapshot
from lake.storage import Storage, wait_ready
from transforms.due import Makings, days_read
from transforms.engines import Engine, engine
from transforms.glance import Glance, glance
from transforms.model import Model
from transforms.reference import Reference
from transforms.settings import TransformSettings
from transforms.statement import DIALECT

AT_ONCE = 31
"""Partitions a commit: a long backfill goes on where it was stopped."""


@dataclass(frozen=True, slots=True)
class Marts:
    """What every build needs: the lake, all models, and what is known beside the messages."""

    lake: LakeSettings
    models: Mapping[str, Model]
    reference: Reference
    settings: TransformSettings


@dataclass(frozen=True, slots=True)
class Built:
    """What one build did: rows by partition, and the version of the mart that it made, or found."""

    model: str
    version: int
    rows: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)
    """The version of each table read."""
    glance: Glance = field(default_factory=Glance)


def build(
    marts: Marts,
    model: Model,
    partitions: Collection[str] | None = None,
    before_commit: Callable[[], object] = lambda: None,
    *,
    only_due: bool = False,
) -> Built:
    """Builds the partitions asked for, or those that are due; `only_due` leaves out the others of those asked
    for.

    Raises GoldMoved where another builder was first; then nothing was changed, and it may be repeated.
    """
    store = wait_ready(marts.lake)
    gold = Gold(store, model.table)
    made_from = makings(marts, model, partial(_opened, marts, store))
    due = made_from.due(gold.built()) if partitions is None or only_due else partitions
    chosen = iter(sorted(due if partitions is None else {*due} & {*partitions}))
    rows: dict[str, int] = {}
    seen = Glance()
    with engine(marts.lake) as runs:
        for name in model.reads & marts.reference.tables.keys():
            runs.hold(name, marts.reference.tables[name])
        while part := list(islice(chosen, AT_ONCE)):
            for partition in part:
                rows[partition] = _make(runs, made_from, partition, marts, is_first=partition == part[0])
            rows_made = runs.output("made", model.table, model.order)
            before_commit()
            gold.replace(rows_made, {partition: made_from.number(partition) for partition in part})
        if rows:
            seen = glance(runs, model, "made", gold)
    versions = {name: source.version for name, source in made_from.sources.items()}
    return Built(model.name, gold.version, rows, versions, seen)


def _opened(marts: Marts, store: Storage, name: str) -> Snapshot:
    """A table that was never written is one without rows."""
    try:
        return snapshot(store, name)
    except TableMissing:
        open_or_create(store, TABLES.get(name) or marts.models[name].table)
        return snapshot(store, name)


def makings(marts: Marts, model: Model, look: Callable[[str], Snapshot]) -> Makings:
    """What the model's partitions would be made from; `look` gives the tables that are stored."""
    known = marts.reference
    sources = {name: known.snapshot(name) if name in known.tables else look(name) for name in model.reads}
    given = marts.settings.parameters()
    return Makings(model, sources, {name: given[name] for name in model.parameters})


def _make(runs: Engine, made_from: Makings, partition: str, marts: Marts, *, is_first: bool) -> int:
    """Adds one partition's rows to `made`; how many."""
    model = made_from.model
    for name, source in made_from.sources.items():
        if name not in marts.reference.tables:
            runs.open_version(name, source.version, _days(marts, model, name, partition))
    keep = runs.keep if is_first else runs.keep_more
    return keep("made", _within(model, partition), made_from.parameters)


def _days(marts: Marts, model: Model, source: str, partition: str) -> Days | None:
    """The part of a table that a partition is made from; all of one that has no days."""
    known = TABLES.get(source)
    column = known.partition_by[0] if known else marts.models[source].about.partition
    if column is None or partition == WHOLE:
        return None
    days = days_read(model, partition)
    return Days(column, date.fromisoformat(days[0]), date.fromisoformat(days[-1]))


def _within(model: Model, partition: str) -> str:
    """The model's rows of one partition: what it gives of the days around is theirs."""
    if model.about.partition is None:
        return model.sql
    day = exp.cast(exp.Literal.string(partition), exp.DataType.Type.DATE)
    own = exp.column(model.about.partition, quoted=True).eq(day).sql(DIALECT)
    return f"select * from (\n{model.sql}\n) where {own}"  # noqa: S608 - the project's own SQL
