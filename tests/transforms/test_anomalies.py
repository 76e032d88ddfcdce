"""The mart finds what the routes sink sends, by the same ids."""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pytest

from contracts.anomalies import anomaly_id
from contracts.load import load_registry
from lake.engine import Engine, engine
from lake.schemas import SILVER
from lake.settings import LakeSettings
from transforms.load import load_models
from transforms.reference import reference

ANOMALIES = load_models()["gold.anomalies"]
TIME = datetime(2026, 2, 25, 21, 28, 17, 376062, tzinfo=UTC)


@pytest.fixture(scope="module")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """With the built-in contracts."""
    with engine(LakeSettings(uri=str(tmp_path_factory.mktemp("lake")))) as made:
        for name, rows in reference(load_registry()).tables.items():
            made.hold(name, rows)
        yield made


@pytest.mark.parametrize("value", [180.5, 181.0, 260.0, 1 / 3 + 200, 180.00000000000003])
@pytest.mark.parametrize("sensor", [None, "front", ""])
def test_an_anomaly_has_the_id_that_was_sent(duck: Engine, value: float, sensor: str | None) -> None:
    """The hash of what it is, whoever computes it."""
    reading = {"vehicle_id": "Straße 1", "signal": "speed", "sensor": sensor, "value": value}
    row = {**reading, "event_time": TIME, "topic": "car.telemetry.v1", "event_date": TIME.date()}
    duck.hold("silver.signals", pa.Table.from_pylist([row], SILVER))
    found = duck.select(ANOMALIES.sql).to_pylist()
    micros = int(TIME.timestamp() * 1_000_000)
    expected = anomaly_id("car", "Straße 1", "speed", sensor, "overspeed", micros, value)
    assert [each["anomaly_id"] for each in found] == [expected]


def test_a_topic_that_was_renamed_keeps_its_anomalies(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """They are found by the thresholds of its source, under the ids of before."""
    built_in = Path(str(files("contracts") / "sources" / "car.yml")).read_text()
    file = tmp_path_factory.mktemp("contracts") / "car.yml"
    renamed = built_in.replace("  car.telemetry.v1:", "  car.telemetry.v2:", 1)
    file.write_text(renamed + "\nformer_topics: [car.telemetry.v1]\n")
    ids = []
    for registry in (load_registry(), load_registry([file])):
        with engine(LakeSettings()) as duck:
            for name, rows in reference(registry).tables.items():
                duck.hold(name, rows)
            row = {"vehicle_id": "V1", "signal": "speed", "value": 181.0, "event_time": TIME}
            row |= {"topic": "car.telemetry.v1", "event_date": TIME.date()}
            duck.hold("silver.signals", pa.Table.from_pylist([row], SILVER))
            ids.append([each["anomaly_id"] for each in duck.select(ANOMALIES.sql).to_pylist()])
    assert ids[0] == ids[1] != []


def test_every_source_is_known_by_its_topics(duck: Engine) -> None:
    """Each topic has one source, and thresholds are of sources that have a topic."""
    assert duck.select("select topic from reference.topics group by topic having count(*) > 1").num_rows == 0
    orphans = "select * from reference.thresholds where source not in (select source from reference.topics)"
    assert duck.select(orphans).num_rows == 0
    assert duck.select("from reference.thresholds").num_rows > 0
