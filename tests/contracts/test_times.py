"""Times are read as they are written, in every form that sources use, alone and in columns."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.parts import TimeColumns, TimeFormat, TimeSource
from contracts.times import iso_text, read_columns, read_time
from contracts.vector.times import read_times
from contracts.write_times import time_writer, write_columns
from tests.contracts import wire
from tests.memory import growth

NOON = 1_753_223_445_000_000
"""2025-07-22T22:30:45Z"""
MOROCCO = TimeColumns.model_validate(
    {"date": "Date", "time": "Time", "order": "MDY", "zone": "Africa/Casablanca"}
)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2025-07-22T22:30:45Z", 0),
        ("2025-07-22 22:30:45.123Z", 123_000),
        ("2025-07-22T22:30:45.123456+00:00", 123_456),
        ("2025-07-22T22:30:45.1Z", 100_000),
        ("2025-07-22T22:30:45.123456789Z", 123_456),
        ("2025-07-22T22:30:45.999999999999Z", 999_999),
        ("2025-07-22t22:30:45,5z", 500_000),
        ("2025-07-23T00:30:45+02:00", 0),
        ("2025-07-23T00:30:45+0200", 0),
        ("2025-07-23T00:30:45+02", 0),
        ("2025-07-22T17:00:45-05:30", 0),
        ("2025-07-22T22:30:45-00:00", 0),
    ],
)
def test_iso_times(text: str, micros: int) -> None:
    """With and without fraction, `Z`, offset, space; finer digits are cut."""
    assert read_time(text, ("iso",), None) == NOON + micros
    column = read_times([text, None, ""], "iso")
    assert column.absent.tolist() == [False, True, True]
    if column.read[0]:
        assert column.micros[0] == NOON + micros


@pytest.mark.parametrize(
    "text",
    [
        "2025-07-22T22:30:45",
        "2025-07-22",
        "2025-07-22T22:30Z",
        "2025-07-22T22:30:60Z",
        "2025-07-22T24:00:00Z",
        "2025-02-29T00:00:00Z",
        "2025-00-01T00:00:00Z",
        "2025-07-22T22:30:45.Z",
        "2025-07-22T22:30:45+24:00",
        "2025-07-22T22:30:45+02:60",
        "2025-07-22T22:30:45Z ",
        "20250722T223045Z",
        "2025-W30-2T22:30:45Z",
        "22/07/2025 22:30:45Z",
        "\u0662\u0660\u0662\u0665-07-22T22:30:45Z",
        "0000-07-22T22:30:45Z",
        "now",
    ],
)
def test_what_is_no_iso_time(text: str) -> None:
    """Nothing is guessed: no zone, no seconds, no such day, other digits."""
    assert read_time(text, ("iso",), None) is None
    column = read_times([text], "iso")
    # Year 0 is the one time that only the column reads; no limit lets it pass.
    assert not column.read[0] or column.micros[0] < 0


@pytest.mark.parametrize("zone", ["Z", "z", "+00:00", "-05:30"])
@pytest.mark.parametrize("digits", range(1, 21))
def test_a_fraction_has_as_many_digits_alone_as_in_a_column(digits: int, zone: str) -> None:
    """Twelve at most, whatever comes with it: one by one, in a column of its like, and in one of others."""
    text = f"2025-07-22T22:30:45.{'1234567890' * 2:.{digits}}{zone}"
    alone = read_time(text, ("iso",), None)
    assert (alone is not None) == (digits <= 12)
    for values in ([text], [text] * 40, [text, "2025-07-22T22:30:45Z", "?"]):
        column = read_times(values, "iso")
        assert bool(column.read[0]) == (alone is not None)
        assert alone is None or column.micros[0] == alone


def test_a_time_without_a_zone_is_read_where_the_contract_names_one() -> None:
    """And an offset that is there wins."""
    assert read_time("2025-07-22T22:30:45", ("iso",), "Europe/Berlin") == NOON - 2 * 3_600_000_000
    assert read_time("2025-07-22T22:30:45Z", ("iso",), "Europe/Berlin") == NOON


@pytest.mark.parametrize(
    ("raw", "form", "expected"),
    [
        (1_753_223_445, "epoch_s", NOON),
        ("1753223445", "epoch_s", NOON),
        (1_753_223_445.000001, "epoch_s", NOON + 1),
        ("1753223445.0000019", "epoch_s", NOON + 1),
        (1_753_223_445_123, "epoch_ms", NOON + 123_000),
        ("1753223445123", "epoch_ms", NOON + 123_000),
        ("1.753223445123e12", "epoch_ms", NOON + 123_000),
        (NOON + 7, "epoch_us", NOON + 7),
        (True, "epoch_s", None),
        (None, "epoch_s", None),
        ([1], "epoch_s", None),
        ("0x10", "epoch_s", None),
        ("", "epoch_s", None),
        (float("inf"), "epoch_s", None),
        ("2025-07-22T22:30:45Z", "epoch_s", None),
        (1_753_223_445, "iso", None),
    ],
)
def test_epochs(raw: Any, form: TimeFormat, expected: int | None) -> None:
    """Seconds, milliseconds, microseconds, as number or text, as the contract says."""
    assert read_time(raw, (form,), None) == expected


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), st.integers(-1439, 1439), st.integers(0, 6))  # noqa: DTZ001
def test_any_time_is_read_as_python_reads_it(moment: datetime, offset: int, digits: int) -> None:
    """All years, offsets and precisions, one by one and as a column of mixed forms."""
    fraction = f".{moment.microsecond:06d}"[: digits + 1] if digits else ""
    sign, ahead = ("-" if offset < 0 else "+"), divmod(abs(offset), 60)
    text = f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f"{fraction}{sign}{ahead[0]:02d}:{ahead[1]:02d}"
    cut = moment.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits)
    utc = moment.replace(microsecond=cut, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    expected = utc // timedelta(microseconds=1) - offset * 60_000_000
    assert read_time(text, ("iso",), None) == expected
    column = read_times([text, "2025-07-22T22:30:45Z", "?", text], "iso")
    assert column.read.tolist() == [True, True, False, True]
    assert column.micros[[0, 1, 3]].tolist() == [expected, NOON, expected]


@given(st.lists(wire.TIMES, max_size=30), st.sampled_from(["iso", "epoch_s", "epoch_ms", "epoch_us"]))
def test_a_column_reads_no_time_otherwise_than_alone(values: list[Any], form: TimeFormat) -> None:
    """It may leave a time to the reference, but never read it differently, nor miss that it is absent."""
    plain = [None if isinstance(value, (list, dict, bool)) else value for value in values]
    column = read_times(plain, form)
    for value, micros, read, absent in zip(plain, *column, strict=True):
        assert absent == (value is None or value == "")
        if read and micros > -62_135_596_800_000_000:
            assert read_time(value, (form,), None) == micros


@pytest.mark.parametrize(
    ("date", "clock", "utc"),
    [
        ("03/29/2021", "11:13:45", "2021-03-29T10:13:45.000Z"),
        ("6/7/2021", "1:02:03", "2021-06-07T00:02:03.000Z"),
        ("06-07-2021", "11:13:45.250", "2021-06-07T10:13:45.250Z"),
        # 2021-04-11 03:00 the clocks went back to 02:00: 02:30 was twice, its first pass counts.
        ("04/11/2021", "02:30:00", "2021-04-11T01:30:00.000Z"),
        # 2021-05-16 02:00 they went forward to 03:00: 02:30 never was, it is read as before the change.
        ("05/16/2021", "02:30:00", "2021-05-16T02:30:00.000Z"),
        ("05/16/2021", "03:00:00", "2021-05-16T02:00:00.000Z"),
    ],
)
def test_local_date_and_time_in_two_columns(date: str, clock: str, utc: str) -> None:
    """In the contract's zone, also where its clocks change."""
    time = read_columns(date, clock, MOROCCO)
    assert time is not None
    assert iso_text(time) == utc


@pytest.mark.parametrize(
    ("date", "clock"),
    [
        ("90/02/2032", "11:13:45"),
        ("30/00/2001", "11:13:45"),
        ("02/30/2021", "11:13:45"),
        ("03/29/21", "11:13:45"),
        ("2021/03/29", "11:13:45"),
        ("03/29/2021", "24:00:00"),
        ("03/29/2021", "11:60:00"),
        ("03/29/2021", "11:13:60"),
        ("03/29/2021", "11:13"),
        ("03/29/2021", ""),
        ("", "11:13:45"),
        (None, "11:13:45"),
        (3, "11:13:45"),
    ],
)
def test_what_no_calendar_has_is_no_time(date: Any, clock: Any) -> None:
    """Such as the months that the Twizy's logger wrote."""
    assert read_columns(date, clock, MOROCCO) is None


def test_a_date_as_long_as_a_message_is_no_date_and_not_kept() -> None:
    """However many of them come."""
    with growth() as kept:
        for number in range(40):
            assert read_columns(f"{number:02d}/02/2021" + "x" * 200_000, "11:13:45", MOROCCO) is None
        assert kept() < 1_000_000


@given(st.integers(946_684_800_000_000, 9_214_646_400_000_000 - 1))
def test_what_is_written_is_read_again(time: int) -> None:
    """In every form, to its resolution; local times but for the hour that is twice."""
    for like in ("2025-07-22 22:30:45.123Z", "2025-07-22T22:30:45Z", "2026-02-25T21:28:17.376062+00:00"):
        source = TimeSource.model_validate({"field": "t", "like": like})
        assert read_time(time_writer(source)(time), source.format, None) == time
    for form, tick in (("epoch_s", 1_000_000), ("epoch_ms", 1_000), ("epoch_us", 1)):
        source = TimeSource.model_validate({"field": "t", "format": form})
        assert read_time(time_writer(source)(time), source.format, None) == time // tick * tick
    again = read_columns(*write_columns(time, MOROCCO), MOROCCO)
    assert again is not None
    assert time - again in (0, 3_600_000_000)


def test_an_empty_column_of_times() -> None:
    """No rows, no failure."""
    for column in (read_times([], "iso"), read_times([], "epoch_ms")):
        assert len(column.micros) == 0
        assert column.read.dtype == np.bool_
