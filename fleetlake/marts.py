"""The transforms and Dagster, as the settings of this process have them."""

from pathlib import Path

from contracts.load import load_registry
from fleetlake.settings import Settings
from transforms.build import Marts
from transforms.load import load_models
from transforms.reference import reference

DAGSTER_HOME = Path("dagster")
"""Below the data folder: Dagster's runs and events."""


def marts(settings: Settings) -> Marts:
    """All models, over the lake that the settings name."""
    registry = load_registry(settings.contracts)
    return Marts(settings.lake, load_models(), reference(registry), settings.transforms)


def dagster_home(settings: Settings) -> Path:
    """Where Dagster keeps what it remembers."""
    return settings.dagster.home or settings.data_dir / DAGSTER_HOME
