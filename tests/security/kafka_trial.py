"""What each user of Kafka may do, found out by doing it. Nothing is changed by what is allowed, but for a
message in each topic that is written to."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic

from broker.client import UNAUTHORIZED, client_options
from broker.settings import KafkaSettings
from infra.security.kafka_grants import Topics, topics_by_kind
from infra.security.rights import KafkaRights, TopicKind
from tests.security.rig import Secured

ANSWER_S = 30.0
NO_PARTITION = 999
"""An offset for it is refused, but only after it was looked whether the group may be used."""

BEHIND_THE_RIGHT = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_ALREADY_EXISTS})
"""What only who has the right is told."""


class NoAnswer(Exception):
    """Neither allowed nor refused: the trial has failed."""


@dataclass
class Actor:
    """One user, with the clients that its attempts share."""

    name: str
    settings: KafkaSettings
    topics: Topics
    own_group: str
    other_group: str
    own_transactions: str
    other_transactions: str

    def topic(self, kind: TopicKind) -> str:
        return self.topics[kind][0]

    @cached_property
    def admin(self) -> AdminClient:
        return AdminClient(self._options({}))

    @cached_property
    def consumer(self) -> Consumer:
        ours = {"group.id": self.own_group, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        return Consumer(self._options(ours))

    @cached_property
    def producer(self) -> Producer:
        return Producer(self._options({"message.timeout.ms": int(ANSWER_S * 1000), "acks": "all"}))

    def transactional(self, name: str) -> Producer:
        return Producer(self._options({"transactional.id": name}))

    def close(self) -> None:
        self.consumer.close()

    def _options(self, ours: Mapping[str, object]) -> dict[str, Any]:
        return dict(client_options(self.settings, {"error_cb": lambda error: None, **ours}))


@dataclass(frozen=True, slots=True)
class KafkaAct:
    """One column: who is expected to be able to, and how it is tried."""

    title: str
    expected: Callable[[KafkaRights], bool]
    attempt: Callable[[Actor], object]


def _read(kind: TopicKind) -> KafkaAct:
    return KafkaAct(
        f"read {_words(kind)}",
        lambda rights: bool({kind, TopicKind.ALL} & set(rights.read)),
        lambda actor: _first_message(actor, actor.topic(kind)),
    )


def _write(kind: TopicKind) -> KafkaAct:
    return KafkaAct(
        f"write {_words(kind)}",
        lambda rights: bool({kind, TopicKind.ALL} & set(rights.write)),
        lambda actor: _one_message(actor.producer, actor.topic(kind)),
    )


def _words(kind: TopicKind) -> str:
    return kind.replace("_", " ")


def _first_message(actor: Actor, topic: str) -> None:
    """Where a user may not even see the topic, a consumer is told nothing: the administrative client is."""
    asked = actor.admin.describe_topics(TopicCollection([topic]), request_timeout=ANSWER_S)
    asked[topic].result(ANSWER_S)
    consumer = actor.consumer
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        for _ in range(int(ANSWER_S)):
            message = consumer.poll(1.0)
            if message is None:
                continue
            if (error := message.error()) is None:
                return
            if error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:  # that is another column
                raise KafkaException(error)
    finally:
        consumer.unassign()
    raise NoAnswer(topic)


def _one_message(producer: Producer, topic: str) -> None:
    told: list[KafkaError | None] = []

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        told.append(error)

    producer.produce(topic, b"{}", b"trial", partition=0, on_delivery=on_delivery)
    producer.flush(ANSWER_S)
    if not told:
        raise NoAnswer(topic)
    if told[0] is not None:
        raise KafkaException(told[0])


def _commit(actor: Actor, group: str) -> None:
    """By the administrative client: a consumer that may not find its group's coordinator waits for it."""
    place = TopicPartition(actor.topic(TopicKind.SOURCES), NO_PARTITION, 0)
    asked = actor.admin.alter_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, [place])], request_timeout=ANSWER_S
    )
    for each in asked[group].result(ANSWER_S).topic_partitions or []:
        if each.error is not None:
            raise KafkaException(each.error)


def _create(actor: Actor, topic: str) -> None:
    asked = actor.admin.create_topics([NewTopic(topic, 1)], validate_only=True, request_timeout=ANSWER_S)
    asked[topic].result(ANSWER_S)


def _configure(actor: Actor) -> None:
    entry = ConfigEntry("retention.ms", "86400000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(
        ConfigResource.Type.TOPIC, actor.topic(TopicKind.SOURCES), incremental_configs=[entry]
    )
    asked = actor.admin.incremental_alter_configs([resource], validate_only=True, request_timeout=ANSWER_S)
    next(iter(asked.values())).result(ANSWER_S)


def _delete(actor: Actor) -> None:
    topic = actor.topic(TopicKind.ANOMALIES)
    actor.admin.delete_topics([topic], request_timeout=ANSWER_S)[topic].result(ANSWER_S)


def _grant(actor: Actor) -> None:
    wanted = AclBinding(
        ResourceType.TOPIC,
        "*",
        ResourcePatternType.LITERAL,
        f"User:{actor.name}",
        "*",
        AclOperation.ALL,
        AclPermissionType.ALLOW,
    )
    actor.admin.create_acls([wanted], request_timeout=ANSWER_S)[wanted].result(ANSWER_S)


ACTS = (
    _read(TopicKind.SOURCES),
    _write(TopicKind.SOURCES),
    _read(TopicKind.DEAD_LETTERS),
    _write(TopicKind.DEAD_LETTERS),
    _read(TopicKind.MAXIMA),
    _write(TopicKind.MAXIMA),
    KafkaAct("own group", lambda rights: bool(rights.groups), lambda actor: _commit(actor, actor.own_group)),
    KafkaAct(
        "another's group",
        lambda rights: len(rights.groups) > 1,
        lambda actor: _commit(actor, actor.other_group),
    ),
    KafkaAct(
        "own transactions",
        lambda rights: bool(rights.transactions),
        lambda actor: actor.transactional(actor.own_transactions).init_transactions(ANSWER_S),
    ),
    KafkaAct(
        "another's transactions",
        lambda rights: False,
        lambda actor: actor.transactional(actor.other_transactions).init_transactions(ANSWER_S),
    ),
    KafkaAct(
        "make our topics",
        lambda rights: bool(rights.configure),
        lambda actor: _create(actor, actor.topic(TopicKind.SOURCES)),
    ),
    KafkaAct(
        "make any topic", lambda rights: False, lambda actor: _create(actor, f"trial-{uuid.uuid4().hex[:8]}")
    ),
    KafkaAct("change settings", lambda rights: bool(rights.configure), _configure),
    KafkaAct("delete a topic", lambda rights: False, _delete),
    KafkaAct("grant rights", lambda rights: False, _grant),
)


def expected(rights: KafkaRights | None) -> dict[str, bool]:
    """One row, as rights.yml has it."""
    return {act.title: rights is not None and act.expected(rights) for act in ACTS}


def tried(site: Secured) -> dict[str, dict[str, bool]]:
    """Every row."""
    topics = topics_by_kind(site.registry, site.administrator)
    seeding = Producer(dict(client_options(site.administrator, {})))
    for kind in (TopicKind.SOURCES, TopicKind.DEAD_LETTERS, TopicKind.MAXIMA):
        _one_message(seeding, topics[kind][0])
    found = {}
    for name, service in site.rights.services.items():
        if service.kafka is None:
            continue
        actor = _actor(name, service.kafka, site, topics)
        try:
            found[name] = {act.title: _may(name, act, actor) for act in ACTS}
        finally:
            actor.close()
    return found


def _actor(name: str, rights: KafkaRights, site: Secured, topics: Topics) -> Actor:
    prefix = site.administrator.group_prefix
    own = rights.groups[0] if rights.groups else name
    other = "state" if own == "history" else "history"
    transactions = rights.transactions[0] if rights.transactions else name
    others = "gateway" if transactions == "routes" else "routes"
    return Actor(
        name,
        site.kafka_of(name),
        topics,
        f"{prefix}.{own}",
        f"{prefix}.{other if len(rights.groups) < 2 else rights.groups[1]}",
        f"{prefix}.{transactions}.trial",
        f"{prefix}.{others}.trial",
    )


def _may(name: str, act: KafkaAct, actor: Actor) -> bool:
    """False where it is refused; any other failure is a failure of the trial."""
    try:
        act.attempt(actor)
    except KafkaException as error:
        code = error.args[0].code()
        if code in UNAUTHORIZED:
            return False
        if code not in BEHIND_THE_RIGHT:
            raise NoAnswer(name, act.title, str(error)) from error
    return True
