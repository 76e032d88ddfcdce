"""A lake whose source had a wrong contract, and the contracts before and after its correction."""

from pathlib import Path

import pytest

from contracts.registry import Registry
from lake.settings import LakeSettings
from tests.transforms.payload_lake import PayloadLake, contracts


@pytest.fixture
def lake(lake_settings: LakeSettings) -> PayloadLake:
    return PayloadLake(lake_settings)


@pytest.fixture
def wrong(tmp_path: Path) -> Registry:
    """Takes miles for kilometres."""
    return contracts(tmp_path, unit="km/h")


@pytest.fixture
def right(tmp_path: Path) -> Registry:
    """Corrected."""
    return contracts(tmp_path, unit="mph")
