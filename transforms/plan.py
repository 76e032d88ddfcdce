"""What is due of all marts now, each after those that it reads.

Nothing is remembered between two looks: what was missed, failed or killed is due until it is done.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from lake.errors import TableMissing
from lake.gold import WHOLE
from lake.snapshot import Snapshot, snapshot
from lake.storage import Storage, wait_ready
from transforms.build import Marts, makings
from transforms.model import Model

GOLD = "gold."


def gold_models(marts: Marts) -> list[Model]:
    """In an order in which each comes after those it reads."""
    return [model for name, model in marts.models.items() if name.startswith(GOLD)]


def plan(marts: Marts) -> dict[str, list[str]]:
    """The partitions due of each mart, in the order in which they are to be built; marts without any are left
    out. Where a mart is due, so are the partitions that are made from it."""
    store = wait_ready(marts.lake, writes=False)
    found: dict[str, list[str]] = {}
    for model in gold_models(marts):
        partitions = sorted({*_own(marts, store, model), *_of_sources(marts, model, found)})
        if partitions:
            found[model.name] = partitions
    return found


def _own(marts: Marts, store: Storage, model: Model) -> list[str]:
    """Those whose sources have changed."""
    return makings(marts, model, lambda name: _newest(store, name)).due(_newest(store, model.name).marks)


def _of_sources(marts: Marts, model: Model, due: Mapping[str, list[str]]) -> Iterator[str]:
    """Those that are made from partitions which are due."""
    reach = model.about.reach
    for name in model.reads & due.keys():
        if model.about.partition is None:
            yield WHOLE
        elif marts.models[name].about.partition is not None:
            for day in map(date.fromisoformat, due[name]):
                around = range(-reach.after, reach.before + 1)
                yield from ((day + timedelta(days=days)).isoformat() for days in around)


def _newest(store: Storage, name: str) -> Snapshot:
    """A table that was never written has no partitions."""
    try:
        return snapshot(store, name)
    except TableMissing:
        return Snapshot(name, -1, {})
