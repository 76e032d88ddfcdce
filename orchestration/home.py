"""The folder of Dagster's own memory, for those who name it to other processes and do not load Dagster."""

from importlib.resources import files
from pathlib import Path

CONFIG = "dagster.yaml"
HOME_VARIABLE = "DAGSTER_HOME"
"""By which Dagster's own programs find the folder."""


def prepare(home: Path) -> Path:
    """The folder, with a dagster.yaml of ours where there is none."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / CONFIG).exists():
        (home / CONFIG).write_text((files("orchestration") / CONFIG).read_text())
    return home.resolve()
