"""Which life of a topic this is."""

import uuid
from collections.abc import Iterable
from pathlib import Path

import pytest
from confluent_kafka import Uuid
from confluent_kafka.admin import TopicDescription

from broker.errors import IdentityUnknown, TopicMissing
from broker.identity import TopicIdentities, life_of_offsets
from broker.settings import KafkaSettings
from broker.topic_lives_file import renew_life
from tests.broker.members import MakeTopic
from tests.deadlines import eventually
from tests.ingest.topics import make_topic_again


def test_an_incarnation_stands_in_for_topic_ids(settings: KafkaSettings, tmp_path: Path) -> None:
    """`<incarnation>.<topic>`, read anew each time: a renewed broker is another one."""
    file = tmp_path / "life"
    file.write_text("life-1\n")
    identities = TopicIdentities(settings.model_copy(update={"incarnation_file": file}))
    assert identities.read(["a", "b"]) == {"a": "life-1.a", "b": "life-1.b"}

    file.write_text("life-2\n")

    assert identities.read(["a"]) == {"a": "life-2.a"}


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_without_its_incarnation_no_identity_is_made_up(
    settings: KafkaSettings, tmp_path: Path, content: str | None
) -> None:
    """A missing or empty file is an error that names it; Kafka's ids do not step in."""
    file = tmp_path / f"incarnation-{uuid.uuid4().hex}"
    if content is not None:
        file.write_text(content)
    identities = TopicIdentities(settings.model_copy(update={"incarnation_file": file}))

    with pytest.raises(IdentityUnknown, match="fleetlake up") as caught:
        identities.read(["t"])

    assert caught.value.incarnation_file == file


@pytest.mark.embedded_kafka
def test_a_broker_without_topic_ids_needs_an_incarnation(
    settings: KafkaSettings, make_topic: MakeTopic
) -> None:
    """The embedded broker reports none: the error says which setting helps."""
    topic = make_topic()
    identities = TopicIdentities(settings.model_copy(update={"incarnation_file": None}))

    with pytest.raises(IdentityUnknown, match="FLEETLAKE_KAFKA__INCARNATION_FILE") as caught:
        identities.read([topic])

    assert caught.value.topics == (topic,)


@pytest.mark.real_kafka
def test_kafka_gives_a_topic_that_is_made_anew_another_identity(
    settings: KafkaSettings, make_topic: MakeTopic
) -> None:
    """Of the same name, with the same settings; a broker hears of it a moment after the controller."""
    topic = make_topic()
    identities = TopicIdentities(settings)
    before = identities.read([topic])
    assert identities.read([topic]) == before

    make_topic_again(settings, topic, 1)

    def is_another() -> bool:
        try:
            return identities.read([topic]) != before
        except TopicMissing:
            return False

    eventually(is_another)


class Cluster:
    """A broker that reports topic ids, as the test sets them."""

    def __init__(self, **ids: Uuid) -> None:
        self.ids = ids

    def describe(self, topics: Iterable[str]) -> tuple[dict[str, TopicDescription], list[str]]:
        names = list(topics)
        found = {
            name: TopicDescription(name, self.ids[name], is_internal=False, partitions=[])
            for name in names
            if name in self.ids
        }
        return found, [name for name in names if name not in found]


def test_a_topic_that_was_made_anew_has_another_identity(settings: KafkaSettings) -> None:
    """Kafka's topic id is the identity, as its tools print it."""
    cluster = Cluster(a=Uuid(1, 2), b=Uuid(3, 4))
    identities = TopicIdentities(settings.model_copy(update={"incarnation_file": None}), cluster)
    before = identities.read(["a", "b"])
    assert before == {"a": str(Uuid(1, 2)), "b": str(Uuid(3, 4))}

    cluster.ids["a"] = Uuid(5, 6)

    assert identities.read(["a", "b"]) == {**before, "a": str(Uuid(5, 6))}


def test_identities_are_never_told_in_part(settings: KafkaSettings) -> None:
    """A topic that is gone, or without an id, fails the whole answer."""
    identities = TopicIdentities(
        settings.model_copy(update={"incarnation_file": None}), Cluster(a=Uuid(1, 2), b=Uuid(0, 0))
    )

    with pytest.raises(TopicMissing, match="gone"):
        identities.read(["a", "gone"])
    with pytest.raises(IdentityUnknown, match="b"):
        identities.read(["a", "b"])


def test_a_renewed_topic_has_a_life_of_its_own(settings: KafkaSettings, tmp_path: Path) -> None:
    """Whoever reads it knows; other topics stay what they are, and so does it when the broker is renewed."""
    file = tmp_path / "life"
    file.write_text("life-1")
    settings = settings.model_copy(update={"incarnation_file": file})
    before = TopicIdentities(settings).read(["a", "b"])

    own = renew_life(file, "a")

    assert TopicIdentities(settings).read(["a", "b"]) == {"a": f"life-1.a.{own}", "b": before["b"]}
    assert renew_life(file, "a") != own


@pytest.mark.parametrize(
    ("identity", "life"),
    [
        ("6xUmIxwvR3+n/HsBZtMG+g", "6xUmIxwvR3+n/HsBZtMG+g"),
        ("x.y.t.v1", "t.v1"),
        ("x.y.t.v1.own", "t.v1.own"),
    ],
    ids=["a topic id", "an incarnation", "a renewed topic"],
)
def test_offsets_belong_to_the_topic_and_not_to_the_incarnation(identity: str, life: str) -> None:
    """A broker whose log goes back takes its groups' offsets back with it."""
    assert life_of_offsets("t.v1", identity) == life
