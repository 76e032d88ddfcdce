"""The demo's claims: they hold when the lake says so, and fail when one thing is off."""

import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from fleetlake.demo.facts import Counts
from fleetlake.demo.plan import DRIVES, USE_CASES, Drive, Expected
from fleetlake.demo.tables import tables
from fleetlake.demo.verdicts import (
    judge_dead_letters,
    judge_drives,
    judge_maxima,
    judge_rows,
    judge_tables,
    judge_trips,
    judge_use_case,
)

EXPECTED = Expected({"tcu": 12, "twizy": 100}, {"bad_time": 3}, {"V1": 950.0, "V2": 800.0})


def test_rows_and_reasons_are_compared_one_by_one() -> None:
    """A row too many is as wrong as one that is missing."""
    rows, rejected = judge_rows(EXPECTED, Counts({"tcu": 12, "twizy": 100}, {"bad_time": 3}))
    assert rows.holds
    assert rejected.holds
    for off in ({"tcu": 11, "twizy": 100}, {"tcu": 13, "twizy": 100}, {"twizy": 100}):
        assert not next(judge_rows(EXPECTED, Counts(off, {}))).holds
    assert not list(judge_rows(EXPECTED, Counts({}, {"bad_time": 2, "bad_type": 1})))[1].holds


def test_what_was_there_before_is_not_counted() -> None:
    """A second run in the same folder begins at the first one's end."""
    before = Counts({"tcu": 12, "car": 5}, {"bad_time": 3})
    after = Counts({"tcu": 24, "car": 5}, {"bad_time": 6, "bad_type": 1})
    assert after.since(before) == Counts({"tcu": 12}, {"bad_time": 3, "bad_type": 1})


def test_dead_letters_are_as_many_as_were_rejected() -> None:
    """Per reason."""
    assert judge_dead_letters(EXPECTED, {"bad_time": 3}).holds
    assert not judge_dead_letters(EXPECTED, {"bad_time": 4}).holds
    assert not judge_dead_letters(EXPECTED, {}).holds


def test_a_use_case_is_its_document_but_for_the_time_of_ingestion() -> None:
    """The speed by order of arrival would be wrong."""
    document = json.loads(USE_CASES["use case 2"][1].read_text())
    assert judge_use_case("x", document, {**document, "ingestion_time": "now"}).holds
    assert not judge_use_case("x", document, {**document, "speed": 65}).holds


def test_a_greater_pressure_of_an_earlier_run_stays() -> None:
    """And one of this run that is missing is named."""
    assert judge_maxima(EXPECTED, {"V1": 999.0}, {"V1": 999.0, "V2": 800.0}).holds
    verdict = judge_maxima(EXPECTED, {"V1": 999.0}, {"V1": 950.0, "V2": 800.0})
    assert not verdict.holds
    assert "V1" in verdict.found


@pytest.mark.parametrize("drive", DRIVES, ids=lambda drive: drive.vehicle)
def test_a_trip_that_is_wrong_is_told(drive: Drive) -> None:
    """By more than half a percent, or one that is missing."""
    found = {one.vehicle: one.distance_km for one in DRIVES}
    assert judge_trips(found).holds
    assert not judge_trips({**found, drive.vehicle: drive.distance_km * 1.006}).holds
    assert not judge_trips({name: km for name, km in found.items() if name != drive.vehicle}).holds


def test_a_check_that_failed_is_told() -> None:
    """By its own words."""
    assert judge_tables(7, []).holds
    verdict = judge_tables(6, ["gold.trips: no_two_at_once: 1 rows are wrong"])
    assert not verdict.holds
    assert "no_two_at_once" in verdict.found


@pytest.mark.parametrize("drive", DRIVES, ids=lambda drive: drive.vehicle)
def test_every_drive_has_to_end_with_its_charge(drive: object) -> None:
    """One wrong vehicle is enough."""
    found = {one.vehicle: one.soc for one in DRIVES}
    assert judge_drives(found).holds
    wrong = [replace(one, soc=one.soc + 1) if one is drive else one for one in DRIVES]
    assert not judge_drives({one.vehicle: one.soc for one in wrong}).holds


def test_what_the_demo_sends_is_shipped() -> None:
    """Files of a package, not of a developer's disk."""
    for messages, answer in USE_CASES.values():
        assert messages.is_file()
        assert answer.is_file()
    assert all(drive.file.is_file() for drive in DRIVES)


def test_the_summary_shows_every_count_and_what_is_wrong() -> None:
    """Sources, reasons and answers, each with its mark."""
    verdicts = [
        *judge_rows(EXPECTED, Counts({"tcu": 12, "twizy": 100}, {"bad_time": 3})),
        judge_dead_letters(EXPECTED, {"bad_time": 2}),
        judge_drives({drive.vehicle: drive.soc for drive in DRIVES}),
    ]
    console = Console(file=io.StringIO(), width=120)
    for table in tables(verdicts):
        console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    cells = [[cell.strip() for cell in re.split("[│┃|]", line)[1:-1]] for line in lines]
    assert ["twizy", "100", "100", "ok"] in cells
    assert ["bad_time", "3", "3", "2", "WRONG"] in cells
    assert ["all", "112", "112", "ok"] in cells
    assert any(row[:1] == ["final SoC of the drives"] and row[-2:] == ["the same", "ok"] for row in cells)
