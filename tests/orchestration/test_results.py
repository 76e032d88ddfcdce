"""What a materialization and a check show to people: bounded, and nothing that a vehicle sends is more than a
text."""

import re
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from contracts.load import load_registry
from lake.errors import QueryFailed
from lake.gold import Gold
from lake.settings import LakeSettings
from orchestration.definitions import definitions
from orchestration.markdown import LONGEST_CELL, SHOWN_AT_ONCE, cell, table, table_at_once
from orchestration.materialize import Request, run
from orchestration.picture import DAYS, bars
from orchestration.settings import OrchestrationSettings
from tests.transforms.small_lake import NOON, Lake, Reading, speed
from transforms.build import Marts
from transforms.load import load_models
from transforms.reference import reference
from transforms.settings import TransformSettings

TODAY, YESTERDAY = ((NOON - timedelta(days=days)).date().isoformat() for days in (0, 1))


@pytest.fixture
def dagster() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def lake(lake_settings: LakeSettings) -> Lake:
    return Lake(lake_settings)


@pytest.fixture
def code(lake_settings: LakeSettings) -> dg.Definitions:
    marts = Marts(lake_settings, load_models(), reference(load_registry()), TransformSettings())
    return definitions(marts, OrchestrationSettings())


def drive(days_before: int, minutes: int) -> list[list[Reading]]:
    """At 60 km/h; a reading a minute."""
    begin = NOON - timedelta(days=days_before)
    return [[("V1", "speed", begin + timedelta(minutes=minute), 60.0)] for minute in range(minutes)]


def materializations(dagster: dg.DagsterInstance, name: str) -> dict[str | None, dg.AssetMaterialization]:
    """The newest of each partition."""
    records = dagster.fetch_materializations(dg.AssetKey(["gold", name]), limit=100, ascending=True).records
    events = (record.asset_materialization for record in records)
    return {event.partition: event for event in events if event is not None}


def picture(markdown: str) -> ElementTree.Element:
    """The drawing inside an image of Markdown."""
    found = re.fullmatch(r"!\[.*\]\(data:image/svg\+xml;base64,(.*)\)", markdown)
    assert found is not None
    return ElementTree.fromstring(b64decode(found[1]))  # noqa: S314 - it is our own


def test_a_mart_shows_its_rows_by_day_its_newest_rows_and_its_course(
    lake: Lake, code: dg.Definitions, dagster: dg.DagsterInstance
) -> None:
    """Counts with each day, the rest once a run; also where some days were built before."""
    lake.land(*drive(0, 6), *drive(1, 11))
    assert run(code, dagster, Request(["silver.signals"])).problems == []
    assert run(code, dagster, Request(["gold.trips"], YESTERDAY, TODAY)).problems == []
    made = materializations(dagster, "trips")
    assert {day: each.metadata["dagster/partition_row_count"].value for day, each in made.items()} == {
        YESTERDAY: 1,
        TODAY: 1,
    }
    assert not {"newest", "course", "built"} & made[YESTERDAY].metadata.keys()
    newest = str(made[TODAY].metadata["newest"].value).splitlines()
    assert newest[0].startswith(
        "| vehicle_id | start_time | end_time | duration_s | moving_s | distance_km |"
    )
    assert [line.split(" | ")[1] for line in newest[2:]] == [f"{TODAY} 12:00:00", f"{YESTERDAY} 12:00:00"]
    drawn = picture(str(made[TODAY].metadata["course"].value))
    texts = [each.text for each in drawn.iter() if each.text]
    assert texts[0] == "distance_km per day [km], at most 10"
    assert texts[-1] == TODAY
    lake.land([("V1", "speed", NOON + timedelta(minutes=6), 60.0)])
    assert run(code, dagster, Request(["silver.signals", "gold.trips"], TODAY, TODAY)).problems == []
    again = picture(str(materializations(dagster, "trips")[TODAY].metadata["course"].value))
    assert [each.text for each in again.iter() if each.text] == texts, "of all days, whichever were built"


def test_a_mart_without_days_shows_its_newest_rows(
    lake: Lake, code: dg.Definitions, dagster: dg.DagsterInstance
) -> None:
    """There is no course of it."""
    lake.land([("V1", "pressure", NOON, 5.0)], [("V2", "pressure", NOON, 7.0)])
    tables = ["silver.signals", "gold.pressure_day", "gold.pressure_max"]
    for request in (
        Request(tables[:1]),
        Request(tables[1:2], TODAY, TODAY),
        Request(tables[2:]),
    ):
        assert run(code, dagster, request).problems == []
    (made,) = materializations(dagster, "pressure_max").values()
    assert made.metadata["dagster/row_count"].value == 2
    assert str(made.metadata["newest"].value).splitlines()[-1].startswith("| V2 | 7 |")
    assert "course" not in made.metadata


def test_no_build_fails_for_want_of_a_picture(
    lake: Lake, code: dg.Definitions, dagster: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are there already."""

    def broken(gold: Gold) -> dict[str, int]:
        raise QueryFailed("no")  # noqa: EM101 - a test's own

    monkeypatch.setattr(Gold, "rows", broken)
    lake.land([speed(1)])
    assert run(code, dagster, Request(["silver.signals"])).problems == []
    assert run(code, dagster, Request(["gold.signal_day"], TODAY, TODAY)).problems == []
    made = materializations(dagster, "signal_day")[TODAY]
    assert made.metadata["dagster/partition_row_count"].value == 1
    assert "course" not in made.metadata


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a|b\nc", "a&#124;b c"),
        ("<img src=x onerror=y>", "&#60;img src=x onerror=y&#62;"),
        ("[x](javascript:y)", "&#91;x&#93;(javascript&#58;y)"),
        ("\x1b[31mred", "&#91;31mred"),
        ("x" * 100, "x" * (LONGEST_CELL - 1) + "…"),
        (["a|b"], "&#91;'a&#124;b'&#93;"),
        (None, ""),
        (0.1 + 0.2, "0.3"),
        (True, "True"),
        (datetime(2026, 3, 10, 12, tzinfo=UTC), "2026-03-10 12:00:00"),
    ],
)
def test_what_a_vehicle_sends_is_a_text(value: object, shown: str) -> None:
    """One cell on one line, whatever is in it."""
    assert cell(value) == shown
    assert table([{"n": value}]).count("\n") == 2
    assert table([]) == ""


def test_a_preview_is_as_long_as_is_shown_without_a_click() -> None:
    """One row at least."""
    rows = [{"n": number, "text": "x" * 50} for number in range(100)]
    text = table_at_once(rows)
    assert text.splitlines()[-1].startswith(f"| {text.count(chr(10)) - 2} |")
    assert len(text) <= SHOWN_AT_ONCE < len(text) + 60
    assert table_at_once([{str(name): "x" * 50 for name in range(50)}] * 2).count("\n") == 2
    assert table_at_once([]) == ""


def test_a_picture_is_of_a_month_and_small() -> None:
    """Up to the last day that is named; days without a number are gaps."""
    numbers = {(NOON - timedelta(days=back)).date().isoformat(): back * 1e6 for back in range(60)}
    drawn = picture(bars("rows per day", numbers))
    assert [each.text for each in drawn.iter() if each.text][1:] == ["2026-02-08", TODAY]
    path = next(each.get("d") or "" for each in drawn.iter() if each.get("stroke-width"))
    assert path.count("M") == DAYS - 1, "today has nothing"
    assert len(bars("distance_km per day [km]", numbers)) <= SHOWN_AT_ONCE
    assert bars("rows per day", {}) == ""
