"""Options of the client, and its errors as ours."""

from pathlib import Path

import pytest
from confluent_kafka import KafkaError
from pydantic import SecretStr

from broker import errors
from broker.client import client_options, translate
from broker.group_options import group_options
from broker.prefetch import LATENCY, SCAN, THROUGHPUT, Prefetch
from broker.settings import KafkaSettings

MIB = 1024 * 1024


def test_security_settings_are_passed_through() -> None:
    """Secrets in plain text to the client, and to nobody else."""
    settings = KafkaSettings(
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="fleet",
        sasl_password=SecretStr("geheim"),
        ssl_ca_location=Path("ca.pem"),
        client={"client.rack": "r1"},
    )
    options = client_options(settings, {"linger.ms": 5})

    assert options["security.protocol"] == "SASL_SSL"
    assert options["sasl.password"] == "geheim"
    assert options["ssl.ca.location"] == "ca.pem"
    assert options["client.rack"] == "r1"
    assert options["linger.ms"] == 5
    assert "ssl.key.location" not in options
    assert "geheim" not in repr(settings)


def test_options_that_carry_a_promise_are_not_passed_through() -> None:
    """All that are given are named at once."""
    settings = KafkaSettings(client={"enable.auto.commit": "true", "acks": "0", "linger.ms": "1"})

    with pytest.raises(errors.ReservedOption) as caught:
        client_options(settings, {})

    assert caught.value.options == ("acks", "enable.auto.commit")


def test_the_new_group_protocol_leaves_to_the_broker_what_it_decides() -> None:
    """With KIP-848 a client sets neither session timeout nor assignor, and has no static members."""
    classic = group_options(KafkaSettings(), "g", THROUGHPUT, "earliest", "slot-1")
    modern = group_options(KafkaSettings(group_protocol="consumer"), "g", THROUGHPUT, "error", "slot-1")

    assert classic["partition.assignment.strategy"] == "cooperative-sticky"
    assert classic["session.timeout.ms"] == 10_000
    assert classic["group.instance.id"] == "slot-1"
    assert modern["group.protocol"] == "consumer"
    assert not {"partition.assignment.strategy", "session.timeout.ms", "group.instance.id"} & modern.keys()
    for options in (classic, modern):
        assert options["isolation.level"] == "read_committed"
        assert options["enable.auto.commit"] is False
        assert options["allow.auto.create.topics"] is False


@pytest.mark.parametrize("prefetch", [THROUGHPUT, LATENCY, SCAN])
def test_prefetching_stays_within_its_bounds(prefetch: Prefetch) -> None:
    """The queue is memory of this process: at most 128 MiB, 2 MiB a partition and request."""
    options = prefetch.options()

    assert int(options["queued.max.messages.kbytes"]) * 1024 <= 128 * MIB
    assert int(options["fetch.message.max.bytes"]) <= 2 * MIB


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError._TRANSPORT, errors.BrokerUnavailable),
        (KafkaError._ALL_BROKERS_DOWN, errors.BrokerUnavailable),
        (KafkaError._TIMED_OUT, errors.BrokerUnavailable),
        (KafkaError.NOT_ENOUGH_REPLICAS, errors.BrokerUnavailable),
        (KafkaError._AUTHENTICATION, errors.AuthenticationFailed),
        (KafkaError._SSL, errors.AuthenticationFailed),
        (KafkaError.SASL_AUTHENTICATION_FAILED, errors.AuthenticationFailed),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, errors.AuthorizationFailed),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, errors.AuthorizationFailed),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, errors.TopicMissing),
        (KafkaError.FENCED_INSTANCE_ID, errors.Fenced),
        (KafkaError.INVALID_CONFIG, errors.ClientFailed),
    ],
)
def test_the_clients_errors_are_ours_by_their_code(code: int, expected: type[errors.BrokerError]) -> None:
    """Whether to try again is a type, decided here and nowhere else."""
    error = translate(
        KafkaError(code, "why"), KafkaSettings(bootstrap_servers="kafka:9092"), "polling", "thing"
    )

    assert type(error) is expected
    assert isinstance(error, errors.Transient) == (expected is errors.BrokerUnavailable)
    assert any(word in str(error) for word in ("kafka:9092", "thing", "why"))
