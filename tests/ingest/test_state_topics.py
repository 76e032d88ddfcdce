"""Topics that are made again under the state sink."""

import threading

import pytest

from broker.errors import TopicMissing
from broker.settings import KafkaSettings
from ingest.errors import TopicRecreated
from lake.settings import LakeSettings, MongoSettings
from tests.deadlines import eventually
from tests.ingest.state_fleet import Fleet, fleet_of, running
from tests.servers import OwnServer


@pytest.fixture
def fleet(
    own_kafka_settings: KafkaSettings,
    mongo_settings: MongoSettings,
    lake_settings: LakeSettings,
    topic_name: str,
) -> Fleet:
    """A fleet on a broker of its own, whose topic is empty."""
    return fleet_of(own_kafka_settings, mongo_settings, lake_settings, topic_name)


def has_ended() -> bool:
    return not any(thread.name == "a-state-process" for thread in threading.enumerate())


@pytest.mark.real_kafka
def test_a_topic_made_again_after_its_broker_was_restarted_is_read(
    fleet: Fleet, own_kafka: OwnServer
) -> None:
    """Its leaders' epochs begin anew, lower than those that the running client knows: a new one is needed.
    What was read of the former topic is written first."""

    def make_again_while_running() -> None:
        with running(fleet):
            eventually(lambda: fleet.committed() == fleet.ends)
            for _ in range(2):
                own_kafka.stop()
                own_kafka.start()
            fleet.send_random(50)
            eventually(lambda: fleet.found() == fleet.expected())
            former = list(fleet.sent)
            fleet.begin_anew()
            fleet.sent += former
            fleet.send_random(50)
            eventually(has_ended)

    fleet.send_random(50)
    with pytest.raises((TopicRecreated, TopicMissing)):  # it may be looked for while it is away
        make_again_while_running()
    fleet.catch_up()
    assert fleet.found() == fleet.expected()
    assert fleet.committed() == fleet.ends
