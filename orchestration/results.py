"""What a materialization shows of itself: counts and versions for programs, newest rows and the course of the
days for people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from lake.gold import WHOLE
from orchestration.markdown import table, table_at_once
from orchestration.picture import DAYS, bars
from transforms.build import Built
from transforms.increment import Increment
from transforms.model import ColumnType, Model

MOST_COLUMNS = 6
NUMBERS = (ColumnType.NUMBER, ColumnType.INTEGER)

DAYS_ADDED_TO = "days"
"""By which an increment says which days it added to: its checks look at those."""

Metadata = dict[str, Any]


def days_of(done: Sequence[Increment]) -> list[str]:
    """The days that increments added readings to, in order."""
    return sorted({day.isoformat() for each in done for day in each.days})


def of_increments(done: Sequence[Increment]) -> Metadata:
    """What silver has gained."""
    return {
        "dagster/row_count": dg.MetadataValue.int(sum(each.added for each in done)),
        "bronze_version": dg.MetadataValue.int(max(each.up_to for each in done)),
        DAYS_ADDED_TO: dg.MetadataValue.json(days_of(done)),
        "read_whole": dg.MetadataValue.bool(any(each.is_whole for each in done)),
    }


def of_build(done: Built) -> Metadata:
    """What a mart was made of: of each of the run's partitions."""
    return {
        "version": dg.MetadataValue.int(done.version),
        "sources": dg.MetadataValue.json(dict(done.sources)),
    }


def of_rows(name: str, count: int) -> Metadata:
    """As Dagster draws them over time: of a partition, or of a mart without any."""
    key = "dagster/row_count" if name == WHOLE else "dagster/partition_row_count"
    return {key: dg.MetadataValue.int(count)}


def of_glance(model: Model, done: Built) -> Metadata:
    """For people, once a run: rows of the partitions built, the newest rows, the course of the days."""
    shown = sorted(done.rows.items(), reverse=True)[:DAYS]
    counts = [{"partition": name, "rows": count} for name, count in shown]
    texts = {
        "course": _course(model, done.glance.course),
        "newest": _newest(model, done),
        "built": table(counts, ["rows"]),
    }
    return {name: dg.MetadataValue.md(text) for name, text in texts.items() if text}


def _newest(model: Model, done: Built) -> str:
    """Keys first, then what every row has; without how messages came, unless the mart is about that."""
    about = model.about
    every = [name for name in about.columns if name != about.partition]
    names = [name for name in every if not about.columns[name].delivery or name in about.key]
    names = every if set(names) <= set(about.key) else names
    names.sort(key=lambda name: (name not in about.key, not about.columns[name].required))
    rows = [{name: row[name] for name in names[:MOST_COLUMNS]} for row in done.glance.newest]
    return table_at_once(rows, [name for name in names if about.columns[name].type in NUMBERS])


def _course(model: Model, numbers: Mapping[str, float]) -> str:
    """Up to today: a clock that is wrong has days of its own, and is another matter."""
    today = datetime.now(UTC).date().isoformat()
    of = model.about.course
    unit = model.about.columns[of].unit if of else None
    title = f"{of} per day" if of else "rows per day"
    return bars(f"{title} [{unit}]" if unit else title, {d: n for d, n in numbers.items() if d <= today})
