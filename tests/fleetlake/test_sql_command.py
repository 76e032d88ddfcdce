"""`fleetlake sql`: what is printed and written, from a lake that the test made."""

import csv
import errno
import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from rich.console import Console

from fleetlake import cli
from fleetlake.answers import write_table
from lake.bronze import open_or_create
from lake.query import connect
from lake.schemas import BRONZE
from lake.settings import LakeSettings
from lake.storage import wait_ready
from tests.environment import of_lake


@pytest.fixture
def lake(lake_settings: LakeSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LakeSettings:
    """An empty lake that the command finds by its environment."""
    wait_ready(lake_settings)
    for name, value in of_lake(lake_settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    return lake_settings


def ask(capsys: pytest.CaptureFixture[str], sql: str, answer_format: str) -> str:
    """What the command prints."""
    assert cli.run(["sql", sql, "--format", answer_format]) == 0
    return capsys.readouterr().out


def test_a_lake_without_tables_is_told_apart_from_an_empty_answer(
    lake: LakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its address, which may be another than was meant."""
    assert cli.run(["sql", "select * from bronze.events"]) == 0
    assert f"nothing has landed in {lake.uri} yet" in capsys.readouterr().err
    open_or_create(wait_ready(lake))
    assert cli.run(["sql", "select * from bronze.events"]) == 0
    assert capsys.readouterr().err == ""


def test_a_store_without_a_key_is_a_named_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the settings nor the environment have one."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FLEETLAKE_LAKE__S3"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("FLEETLAKE_LAKE__URI", "s3://fleet")
    monkeypatch.setenv("FLEETLAKE_LAKE__S3__ENDPOINT_URL", "http://127.0.0.1:9")
    assert cli.run(["sql", "select 1"]) == 1
    assert "no access key is set" in capsys.readouterr().err


def test_json_is_one_array_of_objects(lake: LakeSettings, capsys: pytest.CaptureFixture[str]) -> None:
    """Exact numbers, ISO times with Z, bytes as text or base64, inside lists and maps too; NaN is null."""
    sql = """
        select 101.50::decimal(9, 2) as price, 9007199254740993 as big, 1.5 as float, 'NaN'::float as nothing,
            timestamptz '2025-10-27 10:08:36.663+00' as at, timestamp '2025-10-27 10:08:36' as local,
            date '2025-10-27' as day, encode('é') as text, '\\xFF'::blob as bytes,
            [{'b': '\\xFF'::blob, 'n': null}] as nested, map {'k': 'v'::blob} as mapped,
            null as none, 1 as big
    """
    (row,) = json.loads(ask(capsys, sql, "json"))
    assert row == {
        "price": 101.5,
        "big": 9007199254740993,
        "float": 1.5,
        "nothing": None,
        "at": "2025-10-27T10:08:36.663000Z",
        "local": "2025-10-27T10:08:36",
        "day": "2025-10-27",
        "text": "é",
        "bytes": "base64:/w==",
        "nested": [{"b": "base64:/w==", "n": None}],
        "mapped": {"k": "v"},
        "none": None,
        "big_2": 1,
    }


@pytest.mark.parametrize("count", [0, 1, 45_000])
def test_every_row_is_printed(lake: LakeSettings, capsys: pytest.CaptureFixture[str], count: int) -> None:
    """None, one, and more than a batch: always one JSON array, always one CSV header."""
    sql = f"from range({count}) t(i) select i, i::varchar as s order by i"
    assert json.loads(ask(capsys, sql, "json")) == [{"i": i, "s": str(i)} for i in range(count)]
    assert list(csv.reader(io.StringIO(ask(capsys, sql, "csv")))) == [
        ["i", "s"],
        *([str(i), str(i)] for i in range(count)),
    ]


def test_csv_can_be_read_back(lake: LakeSettings, capsys: pytest.CaptureFixture[str]) -> None:
    """Quotes, line breaks, nulls and nested values keep to their cells."""
    sql = """
        select e'a"b\\nc' as text, null as none, '' as empty, [1, 2] as list, true as yes,
            {'a': 'x'} as struct
    """
    (row,) = csv.DictReader(io.StringIO(ask(capsys, sql, "csv")))
    assert row == {
        "text": 'a"b\nc',
        "none": "",
        "empty": "",
        "list": "[1,2]",
        "yes": "true",
        "struct": '{"a":"x"}',
    }


def test_a_table_is_readable_and_no_payload_writes_on_the_terminal(
    lake: LakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line a row, payloads as text, control characters and markup shown as they are."""
    sql = """
        select '{"speed": 101.50}'::blob as payload, e'\\x1b[31mred\\n' as evil, '[bold]x' as m, null as n
    """
    header, row = ask(capsys, sql, "table").splitlines()
    assert header.split() == ["payload", "evil", "m", "n"]
    assert row.split(maxsplit=2)[:2] == ['{"speed":', "101.50}"]
    assert "\\x1b[31mred\\n" in row
    assert "[bold]x" in row
    assert row.split()[-1] == "null"


def test_a_table_wider_than_the_terminal_is_shown_as_records(lake: LakeSettings) -> None:
    """A line a column, cut to the width; what fits is a table, to the last column."""

    def shown(sql: str) -> list[str]:
        out = io.StringIO()
        with connect(lake) as warehouse:
            write_table(warehouse.query(sql), Console(file=out, force_terminal=True, width=30, no_color=True))
        return [line.rstrip() for line in out.getvalue().splitlines()]

    wide = "select i as number, repeat('x', 40) as long_text, '語語語' as s from range(2) t(i)"
    assert shown(wide) == [
        "-[ 1 ]------------------------",
        "number     0",
        "long_text  xxxxxxxxxxxxxxxxxx…",
        "s          語語語",
        "-[ 2 ]------------------------",
        "number     1",
        "long_text  xxxxxxxxxxxxxxxxxx…",
        "s          語語語",
    ]
    assert shown("select repeat('x', 30) as a")[-1] == "x" * 30
    assert shown("select repeat('x', 31) as a")[-1] == f"a  {'x' * 26}…"


def test_cells_of_a_piped_table_are_cut(lake: LakeSettings, capsys: pytest.CaptureFixture[str]) -> None:
    """At 60 characters, with an ellipsis; JSON and CSV are whole."""
    sql = "select repeat('x', 60) as a, repeat('y', 61) as b"
    row = ask(capsys, sql, "table").splitlines()[1]
    assert row.split() == ["x" * 60, "y" * 59 + "…"]
    assert json.loads(ask(capsys, sql, "json")) == [{"a": "x" * 60, "b": "y" * 61}]
    assert ask(capsys, sql, "csv").splitlines()[1].split(",") == ["x" * 60, "y" * 61]


def test_a_long_table_says_that_it_is_cut(lake: LakeSettings, capsys: pytest.CaptureFixture[str]) -> None:
    """Never silently."""
    assert cli.run(["sql", "from range(1001)"]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1001
    assert "first 1000 rows" in printed.err
    assert cli.run(["sql", "from range(1000)"]) == 0
    assert not capsys.readouterr().err


def test_a_file_holds_the_answer(
    lake: LakeSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parquet keeps the types; JSON and CSV are what is printed; nothing else is left in the folder."""
    folder = tmp_path / "out"
    folder.mkdir()
    sql = """
        select i, '\\xFF'::blob as b, timestamptz '2025-01-01 00:00:00+00' as at, 2 as i
        from range(50000) t(i)
    """
    for ending in ("parquet", "json", "csv"):
        assert cli.run(["sql", sql, "--output", str(folder / f"answer.{ending}")]) == 0
        assert "50000 rows" in capsys.readouterr().err
    table = pq.read_table(folder / "answer.parquet")
    assert (table.num_rows, table.column_names) == (50_000, ["i", "b", "at", "i_2"])
    assert table.schema.field("at").type == pa.timestamp("us", tz="UTC")
    assert (folder / "answer.json").read_text() == ask(capsys, sql, "json")
    assert (folder / "answer.csv").read_text() == ask(capsys, sql, "csv")
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("form", ["table", "csv", "json"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("timestamptz 'infinity'", 'column "t" has a time that can only be shown as text: "t"::varchar'),
        ("date '0044-03-15 (BC)'", 'column "t" has a time'),
        ("[{'a': timestamp '290000-01-01 00:00:00'}]", 'column "t" has a time'),
        ("timestamp_ns '2020-01-01 00:00:00.123456789'", 'column "t" has a time'),
        ("1::variant", "Unsupported Arrow type VARIANT"),
    ],
)
def test_what_python_or_arrow_has_no_value_for_is_said(
    lake: LakeSettings, capsys: pytest.CaptureFixture[str], value: str, problem: str, form: str
) -> None:
    """As text it is answered."""
    assert cli.run(["sql", f"select {value} as t", "--format", form]) == 1
    assert problem in capsys.readouterr().err
    assert cli.run(["sql", f"select ({value})::varchar as t", "--format", form]) == 0


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_nanoseconds_that_are_none_are_shown(
    lake: LakeSettings, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """Also where pandas is loaded, which has times of its own for them."""
    sql = "select [{'at': timestamp_ns '2020-01-01 00:00:00.123456'}] as t"
    assert cli.run(["sql", sql, "--format", form]) == 0
    assert "2020-01-01T00:00:00.123456" in capsys.readouterr().out


def test_a_parquet_file_has_row_groups_worth_reading(lake: LakeSettings, tmp_path: Path) -> None:
    """However small the batches are in which rows come, and less of long ones."""
    file = tmp_path / "answer.parquet"
    for sql, groups in (
        ("select i from range(300000) t(i)", 3),
        ("select repeat('x', 20000) || i as text from range(10000) t(i)", 3),
    ):
        assert cli.run(["sql", sql, "--output", str(file)]) == 0
        assert pq.ParquetFile(file).metadata.num_row_groups == groups


def test_a_failed_answer_leaves_the_old_file(
    lake: LakeSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error in the middle of the rows is no shorter answer."""
    file = tmp_path / "answer.csv"
    file.write_text("old")
    sql = "select if(i = 90000, error('broken row'), i) from range(100000) t(i)"
    before = set(tmp_path.iterdir())
    assert cli.run(["sql", sql, "--output", str(file)]) == 1
    assert "broken row" in capsys.readouterr().err
    assert file.read_text() == "old"
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("ending", ["parquet", "csv", "json"])
def test_a_file_that_cannot_be_written_is_called_by_its_name(
    lake: LakeSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    """Not by the name that it has until it is complete."""
    file = tmp_path / f"{'x' * 245}.{ending}"  # with more behind it, too long for a file system
    assert cli.run(["sql", "select 1", "--output", str(file)]) == 1
    assert capsys.readouterr().err == f"fleetlake: {os.strerror(errno.ENAMETOOLONG)}: {file}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["select nope from bronze.events"], 1, 'line 1, column 8: Referenced column "nope"'),
        (["selec 1"], 1, "line 1, column 1: syntax error"),
        (["drop view bronze.events"], 1, "read-only"),
        (["select 1", "--output", "answer.xlsx"], 2, ".parquet"),
        (["select 1", "--output", "answer.csv", "--format", "json"], 2, "--format"),
        (["select 1", "--output", "/nonexistent/o.csv"], 2, "/nonexistent/o.csv: there is no folder"),
        (["select 1", "--format", "xml"], 2, "'--format': 'xml' is not one of 'table', 'json', 'csv'"),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_line(
    lake: LakeSettings, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    """With the place, and an exit code."""
    assert cli.run(["sql", *arguments]) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not printed.out


def test_payloads_are_shown_byte_for_byte(lake: LakeSettings, capsys: pytest.CaptureFixture[str]) -> None:
    """101.50 stays 101.50, line breaks included."""
    payload = '{\n  "float_value": 101.50,\r\n  "ß": 1\n}'
    row: dict[str, Any] = dict.fromkeys(BRONZE.names) | {"topic_id": "i", "topic": "t", "partition": 0}
    rows = pa.Table.from_pylist(
        [row | {"offset": 0, "payload": payload.encode(), "ingest_date": 20000}], schema=BRONZE
    )
    write_deltalake(open_or_create(wait_ready(lake)), rows, mode="append")
    assert json.loads(ask(capsys, "select payload from bronze.events", "json")) == [{"payload": payload}]


def test_the_json_of_the_help_is_a_query(lake: LakeSettings, capsys: pytest.CaptureFixture[str]) -> None:
    """It reads a field of a payload, and is null for payloads that are null, no text or no JSON."""
    assert cli.run(["sql", "--help"]) == 0
    (example,) = [line.strip() for line in capsys.readouterr().out.splitlines() if "::json" in line]
    values = "('{\"speed\": 7}'::blob), (null), ('\\xFF'::blob), ('{'::blob)"
    sql = example.replace("bronze.events", f"(values {values}) t(payload)")
    assert [row["speed"] for row in json.loads(ask(capsys, sql, "json"))] == ["7", None, None, None]
    assert cli.run(["sql", example]) == 0
