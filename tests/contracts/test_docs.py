"""The page about contracts says what the code does: its example loads, and it names every key."""

import re
from pathlib import Path

from contracts.catalog import Frozen
from contracts.limits import DEFAULT_LIMITS
from contracts.load import load_catalog, load_contract
from contracts.model import Contract
from contracts.parts import (
    DocumentField,
    ListShape,
    LongShape,
    MaximumOutput,
    SensorSource,
    SignalField,
    TimeColumns,
    TimeSource,
    VehicleSource,
    Wrappers,
    WrittenTypes,
)
from contracts.topics import OutputTopic

PAGE = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text()
PARTS: list[type[Frozen]] = [
    VehicleSource,
    SensorSource,
    TimeSource,
    TimeColumns,
    SignalField,
    LongShape,
    WrittenTypes,
    ListShape,
    Wrappers,
    DocumentField,
    MaximumOutput,
    OutputTopic,
]


def keys(model: type[Frozen]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()} - {"retention_ms"}


def test_the_example_is_a_contract(tmp_path: Path) -> None:
    """As a reader would copy it."""
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    file = tmp_path / "trucks.yml"
    file.write_text(found[1])
    assert load_contract(file, load_catalog()).topics == ("trucks.v1",)


def test_every_key_of_a_contract_has_its_row_and_no_other_has() -> None:
    """The first table and the model agree."""
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.split("A path is")[0], re.MULTILINE))
    assert rows == keys(Contract)


def test_every_key_of_a_part_is_named() -> None:
    """The second table leaves none out."""
    named = set(re.findall(r"`([a-z_]+)`", PAGE)) | set(re.findall(r"\{([a-z]+):", PAGE))
    missing = {key for part in PARTS for key in keys(part)} - named
    assert missing == set()


def test_the_bounds_are_those_of_the_code() -> None:
    """Numbers in the text."""
    bounds = DEFAULT_LIMITS
    for text in (
        f"{bounds.message_bytes // 1024} KiB a message",
        f"{bounds.depth} deep",
        f"{bounds.signals:,} signals",
        f"names of {bounds.name_chars}",
        f"texts of {bounds.text_chars:,}",
    ):
        assert text in PAGE
