"""`fleetlake init` on the run's servers: what was not there is there afterwards, however often it runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from broker.settings import KafkaSettings
from fleetlake import cli
from fleetlake.web.key_file import read_keys
from lake.mongo import open_client
from lake.settings import LakeSettings, MongoSettings
from lake.storage import check_bucket, storage
from tests.environment import of_kafka, of_lake, of_mongo

KEY = f"flk_{'a' * 12}_{'b' * 43}"


@pytest.fixture
def deployment(
    kafka_settings: KafkaSettings,
    mongo_settings: MongoSettings,
    s3_lake_settings: LakeSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment of all its processes."""
    variables = {**of_kafka(kafka_settings), **of_mongo(mongo_settings), **of_lake(s3_lake_settings)}
    for name, value in {**variables, "FLEETLAKE_DATA_DIR": str(tmp_path / "data")}.items():
        monkeypatch.setenv(name, value)


def done(capsys: pytest.CaptureFixture[str], given: Path) -> list[str]:
    capsys.readouterr()
    assert cli.run(["init", "--keys", str(given), "--json"]) == 0
    told: Any = json.loads(capsys.readouterr().out)["done"]
    return list(told)


@pytest.mark.usefixtures("deployment")
def test_a_deployment_is_made_and_made_again(
    mongo_settings: MongoSettings,
    s3_lake_settings: LakeSettings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Keys, indexes, view, bucket and topics; the second run finds them."""
    given = tmp_path / "given"
    given.write_text(f"metrics read {KEY}")

    first = done(capsys, given)

    keys = tmp_path / "data" / "keys.yml"
    assert first[0] == f"API keys in {keys}: metrics"
    assert [key.name for key in read_keys(keys)] == ["metrics"]
    with open_client(mongo_settings) as client:
        database = client[mongo_settings.database]
        assert "vehicle_latest" in database.list_collection_names()
        assert len(database["alerts"].index_information()) > 1
    check_bucket(storage(s3_lake_settings))

    second = done(capsys, given)
    assert [step for step in second if step.startswith(("API keys", "topics"))] == [
        f"API keys in {keys}: all there",
        "topics: all there",
    ]
    assert cli.run(["init"]) == 0
    assert "topics: all there" in capsys.readouterr().out


@pytest.mark.usefixtures("deployment")
def test_an_administrator_who_is_refused_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That shows no password."""
    monkeypatch.setenv("FLEETLAKE_MONGO__ADMIN_URI", "mongodb://root:pass-word@127.0.0.1:1/")
    monkeypatch.setenv("FLEETLAKE_MONGO__READY_TIMEOUT_S", "0.1")
    assert cli.run(["init"]) == 1
    told = capsys.readouterr().err
    assert "127.0.0.1:1 is not available" in told
    assert "pass-word" not in told
