"""Reads what a group has committed without being a member of it.

By a consumer that never subscribes: the administrative client's own question ends the whole process by a
segmentation fault when the group's coordinator is moving or was never asked for, as on a new cluster
(librdkafka 2.16). The consumer is asked on a thread of its own: Ctrl-C does not reach the client library.
"""

from concurrent.futures import wait

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Place

from broker.aside import aside
from broker.client import UNAUTHORIZED, Options, client_options, translate
from broker.places import named
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.settle import settled

LOOK_S = 0.2
INTERNAL = "__"
"""How Kafka's own topics begin."""


def committed_by(settings: KafkaSettings, group: str, timeout_s: float) -> dict[TopicPartition, int]:
    """The group's offsets as they are now, those of pending transactions not waited for."""
    answer = aside(lambda: _ask(settings, group, timeout_s), "group-reader")
    while not answer.done():
        wait([answer], LOOK_S)  # another thread may be the one that takes a signal: looks by itself
    return answer.result()


def _ask(settings: KafkaSettings, group: str, timeout_s: float) -> dict[TopicPartition, int]:
    ours: Options = {
        "group.id": group,
        "enable.auto.commit": False,
        "isolation.level": "read_uncommitted",
        "allow.auto.create.topics": False,
    }
    consumer = Consumer(client_options(settings, ours))
    try:
        partitions = _partitions(consumer, timeout_s)
        found = settled(lambda: consumer.committed(partitions, timeout_s), timeout_s)
    except KafkaException as error:
        raise translate(error.args[0], settings, f"reading offsets of group {group}", group) from error
    finally:
        consumer.close()
    for place in found:
        if place.error is not None and not _is_of_no_concern(place.error):
            raise translate(place.error, settings, f"reading offsets of group {group}", place.topic)
    return {named(place): place.offset for place in found if place.error is None and place.offset >= 0}


def _partitions(consumer: Consumer, timeout_s: float) -> list[Place]:
    topics = consumer.list_topics(timeout=timeout_s).topics
    return [
        Place(name, number)
        for name, topic in topics.items()
        if not name.startswith(INTERNAL)
        for number in topic.partitions
    ]


def _is_of_no_concern(error: KafkaError) -> bool:
    """A topic that this user may not see is none of the group's."""
    return error.code() in UNAUTHORIZED
