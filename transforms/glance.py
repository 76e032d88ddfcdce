"""A glance at a mart that was built: its newest rows, and how its days went. For people; no build fails for
want of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlglot import exp

from lake.engine import Days
from lake.errors import LakeError
from lake.gold import Gold
from transforms.engines import Engine
from transforms.model import ColumnType, Model
from transforms.spark_types import NotForSpark
from transforms.statement import DIALECT

SHOWN = 10
DAYS = 31


@dataclass(frozen=True, slots=True)
class Glance:
    """`course` has a number for each of the mart's days, the last month of them at least."""

    newest: Sequence[Mapping[str, Any]] = ()
    course: Mapping[str, float] = field(default_factory=dict)


def glance(runs: Engine, model: Model, made: str, gold: Gold) -> Glance:
    """`made` is the engine's table with the rows of the last partitions that were built."""
    try:
        newest = runs.select(_newest(model, made)).to_pylist()
        return Glance(newest, _course(runs, model, gold) if model.about.partition else {})
    except (LakeError, NotForSpark):  # the rows are there already: nobody waits for a picture of them
        return Glance()


def _newest(model: Model, made: str) -> str:
    """By the day, then by the first time that a row has; of the same moment in the order of their keys."""
    times = (name for name, column in model.about.columns.items() if column.type is ColumnType.TIME)
    newest = [name for name in (model.about.partition, next(times, None)) if name is not None]
    order = [
        *(exp.column(name, quoted=True).desc() for name in newest),
        *(exp.column(name, quoted=True) for name in model.about.key if name not in newest),
    ]
    rows = exp.select(*(exp.column(name, quoted=True) for name in model.columns.names)).from_(made)
    return rows.order_by(*order).limit(SHOWN).sql(DIALECT)


def _course(runs: Engine, model: Model, gold: Gold) -> dict[str, float]:
    counted = gold.rows()
    column, day = model.about.course, model.about.partition
    if column is None or day is None or not counted:
        return {name: float(count) for name, count in counted.items()}
    last = date.fromisoformat(max(counted))
    runs.open_version(model.name, gold.version, Days(day, last - timedelta(days=DAYS - 1), last))
    summed = exp.select(
        exp.alias_(exp.column(day, quoted=True), "day"),
        exp.alias_(exp.Sum(this=exp.column(column, quoted=True)), "number"),
    )
    rows = runs.select(summed.from_(model.name).group_by(exp.column(day, quoted=True)).sql(DIALECT))
    found = {row["day"].isoformat(): row["number"] for row in rows.to_pylist()}
    return {each: float(sum_) for each, sum_ in found.items() if sum_ is not None and math.isfinite(sum_)}
