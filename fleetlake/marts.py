"""The transforms and Dagster, as the settings of this process have them."""

from collections.abc import Iterable
from pathlib import Path

from contracts.load import load_registry
from fleetlake.settings import Settings
from lake.query import Warehouse, connect
from transforms.build import Marts
from transforms.live import signals_live
from transforms.load import load_models
from transforms.reference import reference
from transforms.vehicles import load_vehicles

WAREHOUSE = Path("warehouse") / "fleetlake.duckdb"
"""Below the data folder: the marts as a file."""


def marts(settings: Settings) -> Marts:
    """All models, over the lake that the settings name."""
    registry = load_registry(settings.contracts)
    known = reference(registry, load_vehicles(settings.vehicles))
    return Marts(settings.lake, load_models(), known, settings.transforms)


def warehouse_file(settings: Settings) -> Path:
    """Where the marts are published."""
    return (settings.warehouse or settings.data_dir / WAREHOUSE).absolute()


def no_table(table: str, known: Iterable[str]) -> str:
    """What is wrong with the name of a table that is not among those known, and what to do."""
    if table in load_models():
        return f"{table} is not made yet: `fleetlake materialize` makes it of what has landed"
    return f"there is no table {table}; there are {', '.join(known)}"


def warehouse(settings: Settings) -> Warehouse:
    """SQL over the lake, with silver as it would be now."""
    return connect(settings.lake, signals_live)
