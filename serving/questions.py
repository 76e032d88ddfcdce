"""The SQL of the routes, one question a file, beside the routes that ask it."""

from functools import cache
from importlib.resources import files

LIVE = "silver.signals_live"
SILVER = "silver.signals"


@cache
def text(name: str) -> str:
    """The question of `<name>.sql`."""
    return (files("serving") / "sql" / f"{name}.sql").read_text()


@cache
def of_silver(name: str) -> str:
    """The same question to the readings that silver has, without those that have only landed: the same answer
    for a day of which nothing is under way, and cheaper."""
    return text(name).replace(LIVE, SILVER)
