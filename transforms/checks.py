"""Checks of a table that a model makes: its key is unique, what is required is there, and what the model's
own .yml wants. Each is a query for the rows that are wrong; none are."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlglot import exp

from lake.engine import Days
from lake.gold import WHOLE
from lake.snapshot import snapshot
from lake.storage import Storage, wait_ready
from transforms.build import Marts
from transforms.engines import Engine, engine
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
    checks: Collection[Check],
    partitions: Collection[str] | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> list[Finding]:
    """Checks of the whole table, or of the days from the first to the last partition, at one version."""
    store = wait_ready(marts.lake, writes=False)
    version = snapshot(store, model.name).version
    with engine(marts.lake) as runs:
        for table in sorted({table for check in checks for table in parse(check.sql).tables} - {model.name}):
            _open(runs, marts, store, table)
        found = []
        for check in checks:
            runs.open_version(model.name, version, _days(model, check, partitions))
            found.append(_to_the_point(find(runs, check, parameters or {}), model))
        return found


def _open(runs: Engine, marts: Marts, store: Storage, table: str) -> None:
    held = marts.reference.tables.get(table)
    if held is None:
        runs.open_version(table, snapshot(store, table).version)
    else:
        runs.hold(table, held)


def find(runs: Engine, check: Check, parameters: Mapping[str, Any]) -> Finding:
    """What one check finds in the tables that the engine has open."""
    named = {name: parameters[name] for name in parse(check.sql).parameters}
    count = runs.keep("wrong", check.sql, named)
    rows: list[dict[str, Any]] = runs.select(f"from wrong limit {SHOWN}").to_pylist() if count else []
    return Finding(check, count, rows)


def _to_the_point(finding: Finding, model: Model) -> Finding:
    """Whole rows are shown by their key and what the check looks at: nobody searches thirty columns."""
    tree = parse(finding.check.sql).tree
    if not tree.is_star:
        return finding
    looked_at = {*model.about.key, *(column.name for column in tree.find_all(exp.Column))}
    rows = [{name: row[name] for name in row if name in looked_at} for row in finding.rows]
    return replace(finding, rows=rows)


def _days(model: Model, check: Check, partitions: Collection[str] | None) -> Days | None:
    if check.whole or model.about.partition is None or not partitions or WHOLE in partitions:
        return None
    first, last = date.fromisoformat(min(partitions)), date.fromisoformat(max(partitions))
    before, after = timedelta(days=check.reach.before), timedelta(days=check.reach.after)
    return Days(model.about.partition, first - before, last + after)


def _copies(table: str, key: Collection[str]) -> str:
    columns = [exp.column(name, quoted=True) for name in key]
    copies = exp.Count(this=exp.Star())
    wrong = exp.select(*columns, exp.alias_(copies, "copies")).from_(table).group_by(*columns)
    return wrong.having(exp.GT(this=copies.copy(), expression=exp.Literal.number(1))).sql(DIALECT)


def _incomplete(table: str, names: Collection[str]) -> str:
    missing = exp.or_(*(exp.column(name, quoted=True).is_(exp.null()) for name in names))
    return exp.select("*").from_(table).where(missing).sql(DIALECT)
