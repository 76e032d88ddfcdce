"""Silver and the marts brought up to date in this process: what is due, and what is asked for on top."""

from collections.abc import Callable, Iterator, Sequence

from fleetlake.marts import dagster_home, marts
from fleetlake.settings import Settings
from lake.schemas import SILVER_SIGNALS
from orchestration.assets import Told
from orchestration.definitions import definitions
from orchestration.instance import instance
from orchestration.materialize import Outcome, Request, requests_of, run
from transforms.build import Marts
from transforms.plan import GOLD, needed, plan

Days = tuple[str, str]
"""The first and the last, both included."""


def bring_up_to_date(
    settings: Settings,
    tell: Callable[[Told], object],
    tables: Sequence[str] | None = None,
    again: Days | None = None,
) -> list[Outcome]:
    """Runs what is due of the tables and of all that they are made from, by default of all; then builds the
    days `again` of the tables, due or not. Returns how each run ended."""
    known = marts(settings)
    named = set(known.models if tables is None else tables)
    code = definitions(known, settings.dagster, tell)
    with instance(dagster_home(settings)) as dagster:
        return [run(code, dagster, request) for request in _requests(known, named, again)]


def _requests(known: Marts, named: set[str], again: Days | None) -> Iterator[Request]:
    """The runs, one after the other: what is due is asked when those before it are done."""
    tables = needed(known.models, named)
    if SILVER_SIGNALS.name in tables:
        yield Request([SILVER_SIGNALS.name])
    yield from requests_of({name: due for name, due in plan(known).items() if name in tables})
    marts_named = [name for name in named if name.startswith(GOLD)]
    if again and marts_named:
        yield Request(marts_named, *again, only_due=False)
