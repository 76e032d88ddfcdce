"""Silver and the marts brought up to date in this process: what is due, and what is asked for on top."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from fleetlake.marts import marts
from fleetlake.settings import Settings
from fleetlake.stack.layout import dagster_home
from lake.gold import WHOLE
from lake.schemas import SILVER_SIGNALS
from orchestration.assets import Told
from orchestration.calendar import outside
from orchestration.definitions import definitions
from orchestration.instance import instance
from orchestration.materialize import Outcome, Request, requests_of, run
from orchestration.settings import OrchestrationSettings
from transforms.build import Marts
from transforms.plan import between, needed, plan

Days = tuple[str, str]
"""The first and the last, both included."""


def bring_up_to_date(
    settings: Settings,
    tell: Callable[[Told], object],
    tables: Sequence[str] | None = None,
    again: Days | None = None,
) -> list[Outcome]:
    """Runs what is due of the tables and of all that they are made from, by default of all; then builds the
    days `again` of the tables that have rows or may get some, due or not. Returns how each run ended."""
    known = marts(settings)
    named = set(known.models if tables is None else tables)
    code = definitions(known, settings.dagster, tell)
    with instance(dagster_home(settings)) as dagster:
        requests = _requests(known, named, again, settings.dagster)
        return [run(code, dagster, request) for request in requests]


def _requests(
    known: Marts, named: set[str], again: Days | None, dagster: OrchestrationSettings
) -> Iterator[Request]:
    """The runs, one after the other: what is due is asked when those before it are done. Days that the
    calendar does not have are left alone: one of them would stop the others."""
    tables = needed(known.models, named)
    if SILVER_SIGNALS.name in tables:
        yield Request([SILVER_SIGNALS.name])
    due = {name: days for name, days in plan(known).items() if name in tables}
    dated = {day for days in due.values() for day in days} - {WHOLE}
    wrong = set(outside(dated, dagster, datetime.now(UTC).date()))
    left = {name: [day for day in days if day not in wrong] for name, days in due.items()}
    yield from requests_of({name: days for name, days in left.items() if days})
    if again:
        yield from requests_of(between(known, named, *again), only_due=False)
