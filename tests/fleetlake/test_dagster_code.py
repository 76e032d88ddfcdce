"""What Dagster loads is whole: every job, schedule, sensor and check of the code location."""

import os
import subprocess
import sys
from pathlib import Path

LOADED = """
import dagster as dg
from fleetlake.dagster_code import defs

dg.Definitions.validate_loadable(defs)
repository = defs.get_repository_def()
print(*sorted(repository.job_names))
"""


def test_the_code_location_can_be_loaded(tmp_path: Path) -> None:
    """With all that the command line lends it; a name that stands twice shows only here."""
    environment = os.environ | {"FLEETLAKE_DATA_DIR": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    told = subprocess.run(
        [sys.executable, "-c", LOADED], env=environment, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr[-2000:]
    assert {"audit", "maintenance", "marts", "publish_warehouse", "refresh", "silver", "tidy_today"} <= {
        *told.stdout.split()
    }
