"""What is due of all marts now, each after those that it reads.

Nothing is remembered between two looks: what was missed, failed or killed is due until it is done.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from functools import cache, partial

from lake.errors import TableMissing
from lake.gold import WHOLE
from lake.snapshot import Snapshot, snapshot
from lake.storage import Storage, wait_ready
from transforms.build import Marts, makings
from transforms.due import Makings, days_read
from transforms.model import Model

GOLD = "gold."


def gold_models(marts: Marts) -> list[Model]:
    """In an order in which each comes after those it reads."""
    return [model for name, model in marts.models.items() if name.startswith(GOLD)]


def needed(models: Mapping[str, Model], named: Collection[str]) -> set[str]:
    """The tables named, and all that they are made from, as far as models make them."""
    found: set[str] = set()
    left = [*named]
    while left:
        name = left.pop()
        if name in models and name not in found:
            found.add(name)
            left += models[name].reads
    return found


def plan(marts: Marts) -> dict[str, list[str]]:
    """The partitions due of each mart, in the order in which they are to be built; marts without any are left
    out. Where a mart is due, so are the partitions that are made from it."""
    newest = cache(partial(_newest, wait_ready(marts.lake, writes=False)))
    found: dict[str, list[str]] = {}
    for model in gold_models(marts):
        made_from = makings(marts, model, newest)
        built = newest(model.name).marks
        partitions = sorted({*made_from.due(built), *_of_sources(marts, made_from, found)})
        if partitions:
            found[model.name] = partitions
    return found


def between(marts: Marts, named: Collection[str], first: str, last: str) -> dict[str, list[str]]:
    """The partitions of the marts named that have rows or may get some, due or not, of all days between two,
    which are both included; those without days whole."""
    newest = cache(partial(_newest, wait_ready(marts.lake, writes=False)))
    found: dict[str, list[str]] = {}
    for model in gold_models(marts):
        if model.name in named:
            known = {*makings(marts, model, newest).partitions(), *newest(model.name).marks}
            found[model.name] = sorted(each for each in known if each == WHOLE or first <= each <= last)
    return {name: partitions for name, partitions in found.items() if partitions}


def current_days(marts: Marts, table: str) -> frozenset[date]:
    """The days of a mart that are made of what its tables have now: nobody who reads them misses anything
    that they could read in those tables."""
    newest = cache(partial(_newest, wait_ready(marts.lake, writes=False)))
    built = newest(table).marks
    due = {*makings(marts, marts.models[table], newest).due(built)}
    return frozenset(date.fromisoformat(day) for day in built if day not in due and day != WHOLE)


def _of_sources(marts: Marts, made_from: Makings, due: Mapping[str, list[str]]) -> Iterator[str]:
    """Those that are made from partitions which are due; of days, those that any table read has, or will."""
    model = made_from.model
    sources = model.reads & due.keys()
    if model.about.partition is None:
        yield from ([WHOLE] if sources else [])
        return
    days = {day for name in sources for day in due[name]} - {WHOLE}
    for day in {*made_from.partitions(), *days}:
        if not days.isdisjoint(days_read(model, day)):
            yield day


def _newest(store: Storage, name: str) -> Snapshot:
    """A table that was never written has no partitions."""
    try:
        return snapshot(store, name)
    except TableMissing:
        return Snapshot(name, -1, {})
