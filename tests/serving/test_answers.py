"""Which form an answer takes, and that every value there is has one."""

import csv
import io
import time
from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from contracts.problem import Kind, Problem
from serving.answers import (
    ARROW,
    CSV,
    ENCODER,
    JSON,
    TABLE_TYPES,
    chosen_type,
    records,
    table,
    unique,
    written,
)


def request(**headers: str) -> Request:
    """With these headers."""
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw})


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/html, */*;q=0.1", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV ; q=0.9, application/json;q=0.1", CSV),
        ("text/*", CSV),
        (f"{ARROW}, text/csv;q=0.5", ARROW),
        ("application/json;q=0, */*", CSV),
        ("text/csv;q=x, application/json", JSON),
    ],
)
def test_the_form_is_the_one_that_is_liked_best(accept: str, expected: str) -> None:
    """By quality, then by the order in which the route names them."""
    assert chosen_type(request(accept=accept), TABLE_TYPES) == expected


@given(accept=st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_header_is_a_choice_or_a_problem(accept: str) -> None:
    """And never an error."""
    try:
        found: str = chosen_type(request(accept=accept), TABLE_TYPES)
    except Problem as problem:
        found = problem.kind
    assert found in {*TABLE_TYPES, Kind.NOT_ACCEPTABLE}


def test_a_line_of_csv_has_what_json_has() -> None:
    """Null is empty, times are ISO 8601, lists are JSON."""
    rows = pa.table(
        {
            "name": ['a "b", c', None],
            "time": pa.array([datetime(2026, 3, 10, 12, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
            "day": [date(2026, 3, 10), None],
            "is_on": [True, None],
            "list": [[1, 2], None],
        }
    )
    answer = table(request(accept="text/csv"), "rows", rows)
    read = list(csv.reader(io.StringIO(bytes(answer.body).decode())))
    assert read == [
        ["name", "time", "day", "is_on", "list"],
        ['a "b", c', "2026-03-10T12:00:00Z", "2026-03-10", "true", "[1,2]"],
        ["", "", "", "", ""],
    ]


def test_a_text_with_the_end_of_a_line_stays_one_cell() -> None:
    """Of either kind; lines end as on Unix, and no text is changed for a spreadsheet."""
    rows = pa.table({"a\rb": ["c\rd", "e\nf", "=1+1"], "g": [1, 2, 3]})
    body = written(rows, CSV, "rows")
    assert body == b'"a\rb",g\n"c\rd",1\n"e\nf",2\n=1+1,3\n'


def test_odd_values_have_a_form_in_json() -> None:
    """Bytes, durations, structs with bytes inside, times that Python does not have."""
    rows = pa.table(
        {
            "bytes": pa.array([b"\xff", b"text"]),
            "inside": pa.array([{"a": b"x"}, None]),
            "far": pa.array([2**62, 0], pa.timestamp("us")),
            "fine": pa.array([1, 1001], pa.timestamp("ns")),
            "number": pa.array([float("nan"), float("inf")]),
        }
    )
    found = ENCODER.encode(records(rows)).decode()
    assert "base64:/w==" in found
    assert '"inside":{"a":"x"}' in found
    assert '"number":null' in found


@given(names=st.lists(st.sampled_from(["a", "a_2", "b", ""]), max_size=8))
def test_columns_are_told_apart(names: list[str]) -> None:
    """Whatever they are called."""
    found = unique(names)
    assert len(set(found)) == len(found) == len(names)


def test_names_of_columns_that_are_all_the_same_cost_no_more() -> None:
    """Each is counted on from the one before."""
    began = time.process_time()
    names = unique(["a"] * 20_000)
    assert time.process_time() - began < 5.0  # 40 s where each is counted from the first one on
    assert (names[:3], names[-1]) == (["a", "a_2", "a_3"], "a_20000")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("row(1, 'a')", '{"":1,"_2":"a"}'),
        ("{'t': 'infinity'::timestamptz, 'n': null}", '{"t":"'),
        ("['infinity'::timestamp, null]", '["'),
        ("['infinity'::date]", '["'),
        ("['290000-01-01'::timestamp]", '["'),
        ("map {'infinity'::timestamp: [1]}", '[["'),
        ("['0044-03-15 (BC)'::date]", '["'),
        ("[timestamp_ns '2026-01-01 00:00:00.123456789']", '["2026-01-01 00:00:00.123456789'),
    ],
)
def test_what_python_has_no_value_for_is_text_in_a_list_too(sql: str, expected: str) -> None:
    """In JSON and in CSV."""
    with duckdb.connect() as plain:
        rows = plain.execute(f"select {sql} as a").to_arrow_reader(10).read_all()
    assert ENCODER.encode(records(rows)).decode().startswith(f'[{{"a":{expected}')
    assert written(rows, CSV, "rows").startswith(b"a\n")
