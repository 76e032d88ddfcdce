"""A reader whose files are removed under its eyes is told to ask again, in a folder and on S3."""

from collections.abc import Callable
from typing import Any

import pytest

from lake.audit_queries import landed_coordinates
from lake.errors import FileGone
from lake.query import Warehouse
from lake.settings import LakeSettings
from lake.storage import wait_ready

PAYLOADS = "select count(payload) as n from bronze.events"


@pytest.fixture(params=[pytest.param("folder", marks=pytest.mark.local_lake), "s3"])
def lake(request: pytest.FixtureRequest) -> LakeSettings:
    """A lake in a folder, and one on S3."""
    name = "lake_settings" if request.param == "folder" else "s3_lake_settings"
    settings: LakeSettings = request.getfixturevalue(name)
    wait_ready(settings)
    return settings


@pytest.fixture
def version(lake: LakeSettings, write_bronze: Callable[..., Any], bronze_row: Callable[..., Any]) -> int:
    """A version whose file was removed since."""
    table = write_bronze(lake, [bronze_row(offset=0)])
    old = int(table.version())
    write_bronze(lake, [bronze_row(offset=1)])
    table.update_incremental()
    table.optimize.compact()
    removed = table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert removed
    return old


def test_an_audit_is_told_by_name(lake: LakeSettings, version: int) -> None:
    """And answered when it asks again, of the version of now."""
    with pytest.raises(FileGone, match="ask again"), landed_coordinates(lake, version):
        pass


def test_a_query_of_now_is_answered(lake: LakeSettings, version: int) -> None:
    """It asks for the files of the version that it finds."""
    del version
    with Warehouse(lake) as warehouse:
        assert warehouse.query(PAYLOADS).table().to_pydict() == {"n": [2]}
