"""A lake that is maintained soon."""

import pytest

from lake.settings import LakeSettings, MaintenanceSettings
from tests.transforms.small_lake import Lake


@pytest.fixture
def lake(lake_settings: LakeSettings) -> Lake:
    """Three small files a partition may have."""
    few = MaintenanceSettings(small_files=3)
    return Lake(lake_settings.model_copy(update={"maintenance": few}))
