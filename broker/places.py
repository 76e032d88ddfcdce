"""Partitions as the client library names them, and as the rest of Fleetlake does."""

from collections.abc import Iterable

from confluent_kafka import TopicPartition as Place

from broker.record import TopicPartition


def named(place: Place) -> TopicPartition:
    """The client library's partition as ours."""
    return TopicPartition(place.topic, place.partition)


def placed(names: Iterable[TopicPartition]) -> list[Place]:
    """Ours as the client library's, without offsets."""
    return [Place(*name) for name in names]
