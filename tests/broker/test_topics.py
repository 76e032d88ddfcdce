"""Topics as they should be against topics as they are, on the real broker."""

import pytest
from pydantic import SecretStr

from broker.errors import AuthenticationFailed, NotReady, TopicRefused
from broker.settings import KafkaSettings
from broker.topics import Difference, Topics, TopicSpec, redriven_topic, specs_from, wait_ready, wait_topics
from contracts.load import load_registry
from tests.broker.members import MakeTopic
from tests.deadlines import eventually

CONFIG = {
    "cleanup.policy": "delete",
    "retention.ms": "86400000",
    "message.timestamp.type": "LogAppendTime",
}


def test_creating_twice_creates_once(settings: KafkaSettings, topic_name: str) -> None:
    """The second time finds everything as it should be."""
    specs = [TopicSpec(topic_name, 3, config=CONFIG), TopicSpec(topic_name + "-b", 1)]
    topics = Topics(settings)

    assert topics.create(specs) == [topic_name, topic_name + "-b"]
    assert topics.create(specs) == []
    reports = topics.report(specs)
    assert [(report.state, report.partitions) for report in reports] == [("ok", 3), ("ok", 1)]


def test_what_is_missing_or_differs_is_reported(settings: KafkaSettings, make_topic: MakeTopic) -> None:
    """Partitions and settings by name, the clock of its records included; nothing is changed by looking."""
    topic = make_topic(2, {"retention.ms": "1000", "cleanup.policy": "delete"})
    topics = Topics(settings)

    there, missing = topics.report([TopicSpec(topic, 4, config=CONFIG), TopicSpec(topic + "-no", 1)])

    assert missing.state == "missing"
    assert there.state == "differs"
    assert there.differences == (
        Difference(topic, "partitions", "4", "2", can_change=True),
        Difference(topic, "retention.ms", "86400000", "1000", can_change=True),
        Difference(topic, "message.timestamp.type", "LogAppendTime", "CreateTime", can_change=True),
    )
    assert str(there.differences[0]) == f"{topic}: partitions is 2, should be 4"
    assert topics.create([TopicSpec(topic, 4, config=CONFIG)]) == []
    assert topics.report([TopicSpec(topic, 4, config=CONFIG)])[0] == there


def test_what_can_be_changed_is_changed(settings: KafkaSettings, make_topic: MakeTopic) -> None:
    """More partitions and other settings; afterwards nothing differs."""
    spec = TopicSpec(make_topic(2, {"retention.ms": "1000"}), 4, config=CONFIG)
    topics = Topics(settings)

    left = topics.apply(topics.report([spec])[0].differences)

    assert left == []
    eventually(lambda: topics.report([spec])[0].state == "ok")


def test_what_cannot_be_changed_is_left_and_told(settings: KafkaSettings, make_topic: MakeTopic) -> None:
    """Never fewer partitions; never more where keys must stay where they are. The rest is still changed."""
    topics = Topics(settings)
    fewer = TopicSpec(make_topic(3, {"retention.ms": "1000"}), 2, config={"retention.ms": "2000"})
    keyed = TopicSpec(make_topic(2), 4, has_fixed_partitions=True)
    differences = [each for report in topics.report([fewer, keyed]) for each in report.differences]

    left = topics.apply(differences)

    assert [(each.topic, each.setting, each.found) for each in left] == [
        (fewer.name, "partitions", "3"),
        (keyed.name, "partitions", "2"),
    ]
    eventually(lambda: [len(report.differences) for report in topics.report([fewer, keyed])] == [1, 1])


def test_a_topic_that_the_broker_refuses_is_named(settings: KafkaSettings, topic_name: str) -> None:
    """With the broker's own reason."""
    with pytest.raises(TopicRefused, match=r"no\.such") as caught:
        Topics(settings).create([TopicSpec(topic_name, 1, config={"no.such": "1"})])

    assert caught.value.topic == topic_name


def test_every_topic_of_the_contracts_has_a_spec(settings: KafkaSettings) -> None:
    """Sources, dead letters, anomalies, metrics, maxima and the markers of what was redriven."""
    specs = {spec.name: spec for spec in specs_from(load_registry(), settings)}

    assert specs["telemetry_raw"].config["retention.ms"] == str(7 * 86_400_000)
    assert specs["telemetry_raw"].config["message.timestamp.type"] == "LogAppendTime"
    assert specs["car.telemetry.dlq.v1"].source == "car"
    assert specs["car.telemetry.metrics.v1"].partitions >= 1
    assert specs["vehicle_pressure_max"].partitions == 4
    assert specs["vehicle_pressure_max"].config["cleanup.policy"] == "compact"
    assert specs["vehicle_pressure_max"].has_fixed_partitions
    assert not specs["sensor_pressure_stream"].has_fixed_partitions
    assert specs[redriven_topic(settings)].config["cleanup.policy"] == "compact"


def test_settings_win_over_contracts(settings: KafkaSettings) -> None:
    """Partitions, retention and replication; readings by vehicle have as many as the maxima."""
    own = settings.model_copy(
        update={
            "partitions": {"vehicle_pressure_max": 8, "telemetry_raw": 12},
            "retention_ms": {"telemetry_raw": 1000},
            "replication_factor": 3,
        }
    )
    specs = {spec.name: spec for spec in specs_from(load_registry(), own)}

    assert specs["telemetry_raw"].partitions == 12
    assert specs["telemetry_raw"].config["retention.ms"] == "1000"
    assert specs["vehicle_pressure_max"].partitions == 8
    assert specs["vehicle_pressure_max.by-vehicle"].partitions == 8
    assert {spec.replication for spec in specs.values()} == {3}


def test_waiting_for_topics_ends_when_they_come(settings: KafkaSettings, topic_name: str) -> None:
    """Meanwhile it is said what is waited for."""
    said: list[str] = []

    def create_at_second_look(_: float) -> None:
        if len(said) == 2:
            Topics(settings).create([TopicSpec(topic_name, 1)])

    wait_topics(settings, [topic_name], waiting=said.append, sleep=create_at_second_look)

    assert len(said) == 2
    assert topic_name in said[0]


def test_topics_that_do_not_come_are_named(settings: KafkaSettings, topic_name: str) -> None:
    """With the address and what to do."""
    with pytest.raises(NotReady, match="fleetlake topics create") as caught:
        wait_topics(settings, [topic_name], timeout_s=0.3)

    assert caught.value.missing == (topic_name,)
    assert settings.bootstrap_servers in str(caught.value)


def test_a_broker_that_answers_is_ready(settings: KafkaSettings) -> None:
    """Nothing is said and nothing is waited for."""
    said: list[str] = []

    wait_ready(settings, waiting=said.append)

    assert said == []


def test_a_broker_that_stays_away_is_named(unreachable: KafkaSettings) -> None:
    """After the deadline, with its address and the setting that names it."""
    with pytest.raises(NotReady, match="FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS") as caught:
        wait_ready(unreachable, timeout_s=0.5)

    assert unreachable.bootstrap_servers in str(caught.value)


def test_why_a_connection_fails_is_told(settings: KafkaSettings) -> None:
    """TLS against a plain port is not just "no answer"."""
    with pytest.raises(NotReady, match="PLAINTEXT"):
        wait_ready(settings.model_copy(update={"security_protocol": "SSL"}), timeout_s=0.5)


@pytest.mark.embedded_kafka
def test_a_login_goes_through(settings: KafkaSettings) -> None:
    """User and password reach the broker; the embedded one takes any, Kafka has to be set up for logins."""
    wait_ready(with_login(settings, "PLAIN"))


def test_a_refused_login_is_not_waited_out(settings: KafkaSettings) -> None:
    """It fails long before the deadline, and names the settings to check."""
    with pytest.raises(AuthenticationFailed, match="FLEETLAKE_KAFKA__SECURITY_PROTOCOL"):
        wait_ready(with_login(settings, "SCRAM-SHA-256"), timeout_s=60)  # neither broker takes SCRAM


def with_login(settings: KafkaSettings, mechanism: str) -> KafkaSettings:
    login = {"sasl_mechanism": mechanism, "sasl_username": "u", "sasl_password": SecretStr("p")}
    return settings.model_copy(update={"security_protocol": "SASL_PLAINTEXT", **login})
