"""Which setting wins, and what is said when one is wrong."""

import json
import os
from pathlib import Path

import pytest

from fleetlake.described import describe
from fleetlake.masking import masked_url
from fleetlake.settings import BadSettings, Settings, is_explicit, unread_variables

STACK = {
    "kafka": "127.0.0.1:1111",
    "mongo": "mongodb://127.0.0.1:2222",
    "lake": "/somewhere/lake",
    "incarnation_file": "/somewhere/incarnation",
}


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder in which a stack runs."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "stack.json").write_text(json.dumps(STACK))
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path))
    return tmp_path


def test_the_running_stack_is_found_by_its_folder(stack: Path) -> None:
    """Addresses, the incarnation, and the folder for runtime files."""
    settings = Settings()
    assert settings.kafka.bootstrap_servers == STACK["kafka"]
    assert settings.kafka.incarnation_file == Path(STACK["incarnation_file"])
    assert settings.mongo.uri == STACK["mongo"]
    assert settings.lake.uri == STACK["lake"]
    assert settings.ingest.runtime_dir == stack / "run"


@pytest.mark.usefixtures("stack")
def test_an_explicit_kafka_is_another_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not get the embedded one's incarnation; other explicit fields do not hide the stack."""
    monkeypatch.setenv("FLEETLAKE_KAFKA__GROUP_PREFIX", "mine")
    assert Settings().kafka.bootstrap_servers == STACK["kafka"]
    monkeypatch.setenv("FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS", "broker:9092")
    kafka = Settings().kafka
    assert (kafka.bootstrap_servers, kafka.incarnation_file, kafka.group_prefix) == (
        "broker:9092",
        None,
        "mine",
    )


def test_without_a_stack_the_lake_is_in_the_data_folder(tmp_path: Path) -> None:
    """The lake can be asked when nothing runs."""
    assert Settings(data_dir=tmp_path).lake.uri == str(tmp_path / "lake")


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("FLEETLAKE_KAFKA__SESSION_TIMEOUT_MS", "soon", "valid integer"),
        ("FLEETLAKE_KAFKA__BOOTSTRAP_SERVER", "x:1", "no such setting"),
        ("FLEETLAKE_LAKE__S3__REQUEST_TIMEOUT_S", "-", "valid number"),
        ("FLEETLAKE_CONTRACTS", '["a.yml"', "is not JSON"),
        ("FLEETLAKE_KAFKA__CLIENT", '{"a": ', "is not JSON"),
    ],
)
def test_a_bad_value_is_an_error_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, problem: str
) -> None:
    """One line, no traceback of a library."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSettings) as caught:
        Settings()
    assert caught.value.problems.keys() == {variable}
    assert problem in str(caught.value)


def test_a_bad_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the message of the error nor in what doctor shows."""
    monkeypatch.setenv("FLEETLAKE_KAFKA__SASL_PASSWORD", '["hunter2"]')
    monkeypatch.setenv("FLEETLAKE_KAFKA__CLIENT", '{"ssl.key.password": "hunter2"}')
    monkeypatch.setenv("FLEETLAKE_MONGO__URI", "mongodb://me:hunter2@host/db")
    shown = [str(value) for value in describe(Settings())]
    assert not [text for text in shown if "hunter2" in text]
    assert [text for text in shown if "mongodb://me:***@host/db" in text]


def test_a_stack_file_that_makes_no_sense_blocks_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut may leave an empty one; what was chosen for the data is another matter."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path))
    for name in ("run/stack.json", "ports.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert Settings().lake.uri == str(tmp_path / "lake")
    (tmp_path / "minio").mkdir()
    (tmp_path / "minio" / "credentials.json").write_text("")
    with pytest.raises(BadSettings, match=r"credentials\.json"):
        Settings()


def test_a_password_is_not_taken_from_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack shows and keeps the address without it; each shell sets the variable itself."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path))
    (tmp_path / "run").mkdir()
    for address in ("mongodb://me:***@host/db", "mongodb://host/db"):
        (tmp_path / "run" / "stack.json").write_text(json.dumps({"mongo": address}))
        assert (Settings().mongo.uri == address) is ("***" not in address)


@pytest.mark.usefixtures("stack")
def test_every_value_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment, stack or default."""
    monkeypatch.setenv("FLEETLAKE_MONGO__URI", "mongodb://elsewhere")
    sources = {value.name: value.source for value in describe(Settings())}
    assert sources["mongo.uri"] == "environment"
    assert sources["kafka.bootstrap_servers"] == "stack"
    assert sources["kafka.group_prefix"] == "default"
    assert sources["data_dir"] == "environment"


def test_a_variable_that_nothing_reads_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error in a section's name would be silent otherwise."""
    monkeypatch.setenv("FLEETLAKE_MONGODB__URI", "mongodb://x")
    monkeypatch.setenv("FLEETLAKE_MONGO__URI", "mongodb://x")
    monkeypatch.setenv("FLEETLAKE_SOMETHING", "x")
    expected = {"FLEETLAKE_MONGODB__URI": "FLEETLAKE_MONGO__URI", "FLEETLAKE_SOMETHING": None}
    assert unread_variables() == expected


def test_an_address_without_credentials_is_shown_as_it_is() -> None:
    """Only passwords are masked."""
    assert masked_url("mongodb://127.0.0.1:27017/?a=b") == "mongodb://127.0.0.1:27017/?a=b"
    assert masked_url("s3://bucket/prefix") == "s3://bucket/prefix"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FLEETLAKE_INGEST__COMMIT_SECONDS", "nan"),
        ("FLEETLAKE_INGEST__COMMIT_SECONDS", "-1"),
        ("FLEETLAKE_INGEST__BUFFER_BYTES", "0"),
        ("FLEETLAKE_INGEST__STATE_FLUSH_MS", "5000"),
        ("FLEETLAKE_INGEST__METRICS_PORT", "99999"),
        ("FLEETLAKE_INGEST__SLOT", "-3"),
        ("FLEETLAKE_LAKE__QUERY__MEMORY_LIMIT", "lots"),
        ("FLEETLAKE_LAKE__QUERY__MEMORY_LIMIT", "1B"),
        ("FLEETLAKE_LAKE__QUERY__THREADS", "100000000000"),
        ("FLEETLAKE_LAKE__QUERY__THREADS", "0"),
        ("FLEETLAKE_MONGO__DATABASE", "a b.c$"),
    ],
)
def test_a_value_out_of_range_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """At the start, not by a sink that never commits or a library that fails later."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSettings, match=variable):
        Settings()


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ("a.yml", ["a.yml"]),
        (f"a.yml{os.pathsep}/b c", ["a.yml", "/b c"]),
        ('["a.yml", "b"]', ["a.yml", "b"]),
        ("", []),
    ],
)
def test_contracts_are_paths_or_json(monkeypatch: pytest.MonkeyPatch, given: str, paths: list[str]) -> None:
    """What a person types first works; doctor shows it as it is."""
    monkeypatch.setenv("FLEETLAKE_CONTRACTS", given)
    settings = Settings()
    assert settings.contracts == [Path(path) for path in paths]
    assert {value.name: value.value for value in describe(settings)}["contracts"] == paths


def test_without_a_stack_nothing_comes_from_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders follow from the data folder."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path))
    sources = {value.name: value.source for value in describe(Settings())}
    assert (sources["lake.uri"], sources["ingest.runtime_dir"]) == ("data folder", "data folder")
    assert "stack" not in sources.values()


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As compose files pass on what nobody has set."""
    for name in ("WAREHOUSE", "VEHICLES", "CONTRACTS", "LAKE__URI", "DAGSTER__HOME"):
        monkeypatch.setenv(f"FLEETLAKE_{name}", "")
    settings = Settings()
    assert (settings.warehouse, settings.vehicles, settings.contracts, settings.dagster.home) == (
        None,
        None,
        [],
        None,
    )
    assert settings.lake.uri
    assert not is_explicit("lake", "uri")


def test_a_first_day_in_the_future_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No day would be made, and nothing would be wrong."""
    monkeypatch.setenv("FLEETLAKE_DAGSTER__FIRST_DAY", "2999-01-01")
    with pytest.raises(BadSettings, match="FIRST_DAY: lies in the future: no day would be made"):
        Settings()
