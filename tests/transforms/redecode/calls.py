"""Deriving silver again, as a test calls it, and what silver says then."""

from collections.abc import Callable
from datetime import timedelta

from contracts.registry import Registry
from tests.transforms.payload_lake import PayloadLake
from tests.transforms.small_lake import NOON, SIGNALS
from transforms.redecode import Redecode, Redecoded

DAY = NOON.date()
BEFORE = DAY - timedelta(days=1)


def again(lake: PayloadLake, registry: Registry, *sources: str, dry: bool = False) -> Redecoded:
    return Redecode(lake.settings, SIGNALS, registry, sources or ("mine",)).run(dry=dry)


def meanwhile(lake: PayloadLake, registry: Registry, act: Callable[[], object]) -> Redecoded:
    """Once, before the first day is committed."""
    left = [act]
    once = Redecode(
        lake.settings, SIGNALS, registry, ("mine",), before_commit=lambda: left.pop()() if left else None
    )
    return once.run()


def speeds(lake: PayloadLake) -> list[float]:
    return [round(value, 3) for (value,) in lake.silver("value")]
