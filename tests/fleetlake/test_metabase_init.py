"""`fleetlake warehouse metabase-init`: what it prints opens the lake in DuckDB's JDBC driver."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fleetlake import cli
from fleetlake.marts import marts
from fleetlake.settings import DEFAULT_SERVICES_DIR, Settings
from lake.duck import extension_path
from lake.query import Warehouse
from lake.schemas import BRONZE, BRONZE_COLUMNS
from lake.settings import LakeSettings
from lake.silver import Lane
from tests.environment import of_lake
from tests.real_services import REQUIRED
from tests.transforms.small_lake import Lake, speed
from transforms.build import build
from transforms.live import signals_live

VIEWS = ["bronze.events", "silver.signals", "silver.signals_live", "gold.signal_day"]
QUERY = Path(__file__).parent / "jdbc" / "Query.java"
EXTENSIONS = ("httpfs", "aws", "delta", "icu")


@pytest.fixture
def jdbc(pytestconfig: pytest.Config) -> Path:
    """The driver's jar; `make real-services` fetches it."""
    jars = sorted((DEFAULT_SERVICES_DIR / "duckdb-jdbc" / "lib").glob("duckdb_jdbc-*.jar"))
    if jars and shutil.which("java"):
        return jars[-1]
    problem = "DuckDB's JDBC driver or Java is missing: `make real-services`"
    if "jdbc" in pytestconfig.stash[REQUIRED]:
        pytest.fail(problem)
    pytest.skip(problem)


@pytest.fixture
def extensions(tmp_path: Path) -> Path:
    """DuckDB's folder of extensions, from the wheels: `install` finds them there and asks nobody."""
    platform = duckdb.sql("pragma platform").fetchall()[0][0]
    folder = tmp_path / "extensions" / f"v{duckdb.__version__}" / platform
    folder.mkdir(parents=True)
    for name in EXTENSIONS:
        (folder / f"{name}.duckdb_extension").symlink_to(extension_path(name))
    return tmp_path / "extensions"


@pytest.fixture
def lake(s3_lake_settings: LakeSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lake:
    """A lake in S3 with a mart, and with messages that silver has not read."""
    for name, value in of_lake(s3_lake_settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    made = Lake(s3_lake_settings)
    made.land([speed(50)], [speed(60, days_before=1, vehicle="it's V2")])
    made.increment()
    known = marts(Settings())
    build(known, known.models["gold.signal_day"])
    made.land([speed(51)], [speed(61, days_before=4)])
    return made


def printed(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What the command prints."""
    capsys.readouterr()
    assert cli.run(["warehouse", "metabase-init", *options]) == 0
    return capsys.readouterr().out


@pytest.mark.slow
def test_the_jdbc_driver_sees_what_fleetlake_sees(
    lake: Lake,
    jdbc: Path,
    extensions: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every view, row by row, with comments; also after silver and bronze have moved on. The keys come from
    the environment of the process that opens it."""
    details = json.loads(printed(capsys, "--json", "--extensions", str(extensions)))["details"]
    lake.increment(Lane.HOT)
    lake.land([speed(52)], [speed(51)])
    selects = [f"select row::varchar from {view} as row order by 1" for view in VIEWS]  # noqa: S608
    comments = "select table_name || ': ' || table_comment from information_schema.tables order by all"
    found = asked_by_jdbc(lake, jdbc, details, [*selects, comments, "columns silver signals_live"], tmp_path)
    with Warehouse(lake.settings, signals_live) as warehouse:
        for select in selects:
            rows = [row['CAST("row" AS VARCHAR)'] for row in warehouse.query(select).table().to_pylist()]
            assert found[select] == rows
    assert len(found[selects[2]]) == 5
    assert found[comments][0].startswith("events: Every Kafka message as it was received")
    assert len(found[comments]) == len(VIEWS)
    about_value = next(line for line in found["columns silver signals_live"] if line.startswith("value\t"))
    assert about_value == "value\tA number in the unit of the catalog; true and false are 1 and 0"


def asked_by_jdbc(
    lake: Lake, jdbc: Path, details: dict[str, Any], queries: list[str], folder: Path
) -> dict[str, list[str]]:
    """The lines of each query, from a process of its own: opened with the properties that Metabase's driver
    makes of the connection's details."""
    properties = {
        "custom_user_agent": "metabase",
        "temp_directory": str(folder / "spill"),
        "jdbc_stream_results": "true",
        "TimeZone": "UTC",
        "duckdb.read_only": str(details["read_only"]).lower(),
        "old_implicit_casting": str(details["old_implicit_casting"]).lower(),
        "memory_limit": details["memory_limit"],
        **dict(option.split("=", 1) for option in details["additional-options"].split("&")),
    }
    files = [folder / name for name in ("details.properties", "init.sql", "queries")]
    lines = "".join(f"{name}={value}\n" for name, value in properties.items())
    for file, text in zip(files, (lines, details["init_sql"], "\n".join(queries)), strict=True):
        file.write_text(text)
    s3 = lake.settings.s3
    assert s3.access_key_id is not None
    assert s3.secret_access_key is not None
    keys = {
        "AWS_ACCESS_KEY_ID": s3.access_key_id,
        "AWS_SECRET_ACCESS_KEY": s3.secret_access_key.get_secret_value(),
    }
    done = subprocess.run(
        ["java", "-cp", str(jdbc), str(QUERY), f"jdbc:duckdb:{details['database_file']}", *map(str, files)],
        capture_output=True,
        text=True,
        env={**os.environ, **keys},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("> "):
            found[line[2:]] = rows = []
        else:
            rows.append(line)
    return found


def test_no_key_is_printed_unless_asked_for(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """Metabase's admins can read what its connection is made of."""
    s3 = lake.settings.s3
    assert s3.secret_access_key is not None
    secret = f"'{s3.secret_access_key.get_secret_value()}'"
    for options in ([], ["--json"]):
        text = printed(capsys, *options)
        assert secret not in text
        assert "chain 'env'" in text
    assert f"secret {secret}" in printed(capsys, "--with-credentials")


def test_addresses_are_those_that_metabase_sees(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """In a container the store has another name, and maybe another bucket."""
    text = printed(capsys, "--endpoint", "https://minio.example:9000", "--lake", "s3://other/fleet")
    assert "endpoint 'minio.example:9000'" in text
    assert "use_ssl True" in text
    assert "delta_scan('s3://other/fleet/gold/signal_day')" in text
    assert lake.settings.uri not in text


@pytest.mark.local_lake
def test_tables_that_are_not_there_are_named(
    lake_settings: LakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A view of nothing would stay empty when they come. What landed is there without silver."""
    for name, value in of_lake(lake_settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    assert cli.run(["warehouse", "metabase-init"]) == 0
    empty = capsys.readouterr()
    assert "create or replace view" not in empty.out
    assert "not there yet: bronze.events, silver.signals, silver.signals_live, gold." in empty.err
    lake = Lake(lake_settings)
    lake.land([speed(50)])
    assert cli.run(["warehouse", "metabase-init"]) == 0
    text, said = capsys.readouterr()
    assert "not there yet: silver.signals, gold." in said
    with duckdb.connect(config={"extension_directory": str(tmp_path)}) as connected:
        connected.execute(f"load '{extension_path('delta')}'")
        for _ in range(2):
            connected.execute(text.replace("install delta;\nload delta;\n", ""))
        lake.increment()
        lake.land([speed(50)], [speed(51)])
        found = connected.execute("select value from silver.signals_live order by all").fetchall()
    assert found == [(50.0,), (51.0,)]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--extensions", "/opt/duckdb"], "add --json"),  # the driver needs one before it runs any SQL
        (["--endpoint", "minio:9000"], "http://..."),
        (["--lake", "gs://bucket"], "only folders and s3:// are known"),
    ],
)
def test_what_metabase_could_not_use_is_refused(
    options: list[str],
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In one line, before anything is printed."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path))
    assert cli.run(["warehouse", "metabase-init", *options]) in (1, 2)
    said = capsys.readouterr()
    assert said.out == ""
    assert problem in said.err


def test_every_column_of_bronze_is_explained() -> None:
    """As the models do for theirs."""
    assert list(BRONZE_COLUMNS) == BRONZE.names
