"""Topics for tests of the sinks."""

from confluent_kafka.admin import AdminClient, NewTopic

from broker.settings import KafkaSettings


def make_topic(kafka: KafkaSettings, name: str, partitions: int) -> None:
    """Creates a topic with the broker's own timestamps, and waits until it is there."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    topic = NewTopic(name, num_partitions=partitions, config={"message.timestamp.type": "LogAppendTime"})
    for created in admin.create_topics([topic]).values():
        created.result(10)
