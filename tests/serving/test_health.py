"""The health of the pipeline is told while anything at all answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

from broker.settings import KafkaSettings
from broker.topic_specs import specs_from
from broker.topics import Topics
from contracts.load import load_registry
from fleetlake.stack.layout import layout_of
from fleetlake.stack.processes import myself
from fleetlake.stack.runfile import ProcessEntry, StackFile, StackState
from lake.settings import MongoSettings
from tests.serving.scene import Scene, api

AWAY = KafkaSettings(bootstrap_servers="127.0.0.1:1")


def health(scene: Scene, **changed: Any) -> dict[str, Any]:
    with api(scene.settings.model_copy(update=changed)) as client:
        answer = client.get("/pipeline/health")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_each_part_that_is_away_is_named(own: Scene) -> None:
    """The others answer all the same."""
    own.land(("N1", datetime.now(UTC), {"speed": 1.0}), at=datetime.now(UTC))
    found = health(own, kafka=AWAY)
    assert (found["status"], found["problems"], found["sinks"]) == ("degraded", ["Kafka is away"], [])
    layers = {each["layer"]: each for each in found["layers"]}
    assert 0 < layers["bronze"]["age_s"] < 60
    assert layers["gold"]["newest_time"] is None
    nowhere = MongoSettings(uri="mongodb://127.0.0.1:1/?directConnection=true", timeout_s=0.2)
    found = health(own, kafka=AWAY, mongo=nowhere)
    assert found["status"] == "down"
    assert found["problems"] == ["Kafka is away", "MongoDB is away"]


def test_a_pipeline_that_runs_is_well(own: Scene, kafka_settings: KafkaSettings) -> None:
    """With the lag of each sink, what was rejected within the hour, and rates from the second look on."""
    now = datetime.now(UTC)
    registry = load_registry()
    Topics(kafka_settings).create(specs_from(registry, kafka_settings))
    own.land(("N1", now, {"speed": 1.0}), at=now)
    own.land(("N1", now, {}), at=now, error="malformed_json")
    own.land(("N1", now, {}), at=now - timedelta(hours=2), error="bad_time")
    own.write("N1", {"speed": 1.0})
    with api(own.settings.model_copy(update={"kafka": kafka_settings})) as client:
        first = client.get("/pipeline/health").json()
        own.land(*[("N1", now, {"speed": float(number)}) for number in range(50)], at=now)
        second = client.get("/pipeline/health").json()
    assert {each["sink"] for each in first["sinks"]} == {"history", "state", "routes"}
    assert all(each["is_running"] is None for each in first["sinks"])
    assert first["rejected"] == [{"source": "car", "reason": "malformed_json", "last_hour": 1}]
    bronze = [
        next(each for each in found["layers"] if each["layer"] == "bronze") for found in (first, second)
    ]
    assert bronze[0]["rows_per_s"] is None
    assert bronze[1]["rows_per_s"] > 0
    assert {each["layer"] for each in first["layers"]} == {"bronze", "silver", "gold", "state"}


def stack_beside(scene: Scene, kafka: str, *names: str) -> None:
    """A local stack in the data folder that is to keep these processes running; none of them does."""
    me, layout = myself(), layout_of(scene.settings.data_dir)
    layout.run.mkdir(parents=True, exist_ok=True)
    processes = [ProcessEntry(name, 0, 0.0, 3, "waiting") for name in names]
    stack = StackFile(kafka, "mongo", "lake", None, me.pid, me.started, StackState.RUNNING, processes)
    stack.write(layout)


def test_sinks_of_the_stack_of_which_none_answers_do_not_run(
    own: Scene, kafka_settings: KafkaSettings
) -> None:
    """A stack without sinks, or on another Kafka, says nothing of them."""
    Topics(kafka_settings).create(specs_from(load_registry(), kafka_settings))
    sinks = ("history", "state", "routes")
    for kafka, names in ((AWAY.bootstrap_servers, sinks), (kafka_settings.bootstrap_servers, ("mongo",))):
        stack_beside(own, kafka, *names)
        found = health(own, kafka=kafka_settings)
        assert (found["status"], [each["is_running"] for each in found["sinks"]]) == ("ok", [None] * 3)
    stack_beside(own, kafka_settings.bootstrap_servers, *sinks)
    found = health(own, kafka=kafka_settings)
    assert (found["status"], found["problems"]) == (
        "degraded",
        ["history does not run", "routes does not run", "state does not run"],
    )
