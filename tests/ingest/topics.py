"""Topics for tests of the sinks."""

from collections.abc import Callable

from broker.admin import Admin
from broker.settings import KafkaSettings
from broker.topic_specs import TopicSpec
from broker.topics import Topics
from fleetlake.stack.server import wait_until

GONE_SECONDS = 30.0


def make_topic(kafka: KafkaSettings, name: str, partitions: int, **config: str) -> None:
    """Creates a topic with the broker's own timestamps, and waits until it is there."""
    spec = TopicSpec(name, partitions, config={"message.timestamp.type": "LogAppendTime", **config})
    Topics(kafka).create([spec])


def make_topic_again(
    kafka: KafkaSettings, name: str, partitions: int, while_away: Callable[[], object] = lambda: None
) -> None:
    """Deletes it first: another topic of that name."""
    admin = Admin(kafka)
    admin.client.delete_topics([name])[name].result(10)
    assert wait_until(lambda: admin.describe([name])[1] == [name], GONE_SECONDS)
    while_away()
    make_topic(kafka, name, partitions)
