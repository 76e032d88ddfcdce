"""What every Kafka client of Fleetlake has in common: connection options, and the client library's errors
turned into ours at one place, by code and never by text."""

import logging
from collections.abc import Mapping

from confluent_kafka import KafkaError

from broker import errors
from broker.settings import KafkaSettings

Options = dict[str, object]

RESERVED = frozenset(
    {
        "acks",
        "allow.auto.create.topics",
        "auto.offset.reset",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "isolation.level",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "partition.assignment.strategy",
        "partitioner",
        "transactional.id",
    }
)
"""Options that carry a promise: passing them through is refused."""

UNAVAILABLE = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TRANSPORT,
        KafkaError._DESTROY_BROKER,  # a broker left the cluster, and so did the answer
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._WAIT_COORD,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_CONTROLLER,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
    }
)
UNAUTHENTICATED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
    }
)
UNAUTHORIZED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
MISSING_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.TRANSACTION_COORDINATOR_FENCED,
    }
)
MOVED_ON = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError._ASSIGNMENT_LOST,
    }
)
TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})

_log = logging.getLogger("broker.librdkafka")
_log.addHandler(logging.NullHandler())
"""The client library's own lines, for whoever sets a handler; what matters in them comes as errors too."""


def client_options(settings: KafkaSettings, ours: Mapping[str, object]) -> Options:
    """Connection and security of `settings`, then `ours`, then what the user passes through."""
    if reserved := sorted(RESERVED & settings.client.keys()):
        raise errors.ReservedOption(reserved)
    return {**_connection(settings), "logger": _log, **ours, **settings.client}


def _connection(settings: KafkaSettings) -> Options:
    password, key_password = settings.sasl_password, settings.ssl_key_password
    options: Mapping[str, object | None] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        "sasl.mechanism": settings.sasl_mechanism,
        "sasl.username": settings.sasl_username,
        "sasl.password": password.get_secret_value() if password else None,
        "ssl.ca.location": _text(settings.ssl_ca_location),
        "ssl.certificate.location": _text(settings.ssl_certificate_location),
        "ssl.key.location": _text(settings.ssl_key_location),
        "ssl.key.password": key_password.get_secret_value() if key_password else None,
        # A broker that comes back is found within a second, not after librdkafka's ten.
        "reconnect.backoff.max.ms": 1000,
        "socket.keepalive.enable": True,
    }
    return {name: value for name, value in options.items() if value is not None}


def _text(path: object | None) -> str | None:
    return None if path is None else str(path)


def translate(
    error: KafkaError, settings: KafkaSettings, doing: str, resource: str = ""
) -> errors.BrokerError:
    """Our error for the client library's."""
    code, address, detail = error.code(), settings.bootstrap_servers, error.str()
    if code in UNAUTHENTICATED:
        return errors.AuthenticationFailed(address, detail)
    if code in UNAUTHORIZED:
        return errors.AuthorizationFailed(address, resource or doing, detail)
    if code in FENCED:
        return errors.Fenced(resource or doing, detail)
    if code in MISSING_TOPIC:
        return errors.TopicMissing([resource or detail])
    if code in UNAVAILABLE or error.retriable():
        return errors.BrokerUnavailable(address, doing, detail)
    return errors.ClientFailed(doing, error.name(), detail)
