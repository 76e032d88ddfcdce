"""Checks of a table that a model makes: its key is unique, what is required is there, and what the model's
own .yml wants. Each is a query for the rows that are wrong; none are."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlglot import exp

from lake.engine import Days, Engine, engine
from lake.gold import WHOLE
from lake.snapshot import snapshot
from lake.storage import wait_ready
from transforms.build import Marts
from transforms.model import Check, Model
from transforms.statement import DIALECT, parse

UNIQUE = "key_is_unique"
REQUIRED = "required_columns"
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: how many rows are wrong, and the first of them."""

    check: Check
    count: int
    rows: list[dict[str, Any]]

    @property
    def passed(self) -> bool:
        return self.count == 0


def checks_of(model: Model) -> list[Check]:
    """Those that every table has, and the model's own."""
    required = [name for name, column in model.about.columns.items() if column.required]
    unique = Check(
        name=UNIQUE,
        description=f"There is one row per {', '.join(model.about.key)}",
        sql=_copies(model.name, model.about.key),
    )
    complete = Check(
        name=REQUIRED,
        description=f"No row is without {', '.join(required)}",
        sql=_incomplete(model.name, required),
    )
    return [unique, *([complete] if required else []), *model.about.checks]


def run_checks(
    marts: Marts,
    model: Model,
    partitions: Collection[str] | None = None,
    names: Collection[str] | None = None,
) -> list[Finding]:
    """All checks, or those named, of the whole table or of the days from the first to the last partition."""
    store = wait_ready(marts.lake, writes=False)
    chosen = [check for check in checks_of(model) if names is None or check.name in names]
    with engine(marts.lake) as duck:
        for table in sorted({table for check in chosen for table in parse(check.sql).tables}):
            days = _days(model, partitions) if table == model.name else None
            duck.open_version(table, snapshot(store, table).version, days)
        return [Finding(check, *_wrong(duck, check)) for check in chosen]


def shown(finding: Finding) -> Iterator[Mapping[str, str]]:
    """The rows as texts, for people."""
    return ({name: str(value) for name, value in row.items()} for row in finding.rows)


def _wrong(duck: Engine, check: Check) -> tuple[int, list[dict[str, Any]]]:
    count = duck.keep("wrong", check.sql, {})
    rows: list[dict[str, Any]] = duck.select(f"from wrong limit {SHOWN}").to_pylist() if count else []
    return count, rows


def _days(model: Model, partitions: Collection[str] | None) -> Days | None:
    if model.about.partition is None or not partitions or WHOLE in partitions:
        return None
    first, last = date.fromisoformat(min(partitions)), date.fromisoformat(max(partitions))
    return Days(model.about.partition, first, last)


def _copies(table: str, key: Collection[str]) -> str:
    columns = [exp.column(name, quoted=True) for name in key]
    copies = exp.Count(this=exp.Star())
    wrong = exp.select(*columns, exp.alias_(copies, "copies")).from_(table).group_by(*columns)
    return wrong.having(exp.GT(this=copies.copy(), expression=exp.Literal.number(1))).sql(DIALECT)


def _incomplete(table: str, names: Collection[str]) -> str:
    missing = exp.or_(*(exp.column(name, quoted=True).is_(exp.null()) for name in names))
    return exp.select("*").from_(table).where(missing).sql(DIALECT)
