"""The marts as one DuckDB file, with what their models say of them."""

from collections.abc import Mapping
from pathlib import Path

from lake.settings import LakeSettings
from lake.storage import wait_ready
from lake.tables import exists
from lake.warehouse import publish
from transforms.document import description
from transforms.model import Model
from transforms.plan import GOLD


def publish_marts(lake: LakeSettings, models: Mapping[str, Model], file: Path) -> dict[str, int]:
    """Replaces the file as a whole, by the marts that exist as they are now; the rows of each. Where there is
    none, nothing is done."""
    store = wait_ready(lake, writes=False)
    marts = [model for name, model in models.items() if name.startswith(GOLD) and exists(store, name)]
    if not marts:
        return {}
    return publish(lake, file, {model.name: description(model) for model in marts})
