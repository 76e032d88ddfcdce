"""Reading dead letters back from the real broker."""

import time
from pathlib import Path

import pytest

from broker.producer import Producer
from broker.settings import KafkaSettings
from ingest.deadletters import Coordinates, Original, Selection, UnknownDeadLetters
from tests.ingest.dead_letter_site import Site, event


@pytest.fixture
def site(kafka_settings: KafkaSettings, tmp_path: Path, topic_name: str) -> Site:
    site = Site(kafka_settings, tmp_path, topic_name, topic_name.replace("-", "_"))
    site.create_topics()
    return site


def test_a_dead_letter_gives_the_message_as_it_was_received(site: Site) -> None:
    """Bytes, key and headers, UTF-8 or not, and a null too."""
    sent = [b"{not json", b"\xff\xfe\x00", None, event(150)]
    site.reject([event(50), *sent], key=b"k", headers=[("h", b"1"), ("n", None)])

    found = site.letters()

    assert [each.original(lambda _: []) for each in found] == [
        Original(payload, b"k", [("h", b"1"), ("n", None)]) for payload in sent
    ]
    assert [each.source_at for each in found] == [
        Coordinates(site.topic, 0, offset) for offset in (1, 2, 3, 4)
    ]
    assert [each.letter.error for each in found] == ["malformed_json"] * 3 + ["out_of_range"]


def test_dead_letters_are_selected_by_everything_that_is_given(site: Site) -> None:
    """Source, reason, place of the letter or of the message."""
    site.reject([b"{", event(150), event(160)])
    first, second, third = site.letters()

    assert site.letters(Selection(source=site.name, reason="malformed_json")) == [first]
    assert site.letters(Selection(places=frozenset({second.at}))) == [second]
    assert site.letters(Selection(places=frozenset({third.source_at, first.at}))) == [first, third]
    assert site.letters(Selection(reason="malformed_json", places=frozenset({second.at}))) == []


def test_dead_letters_are_selected_by_when_they_were_written(site: Site) -> None:
    """From a time on, before a time, and between."""
    site.reject([event(150)])
    time.sleep(0.02)  # the two must differ in time
    site.reject([event(160)])
    first, second = site.letters()

    def between(since: int | None, until: int | None) -> list[object]:
        return list(site.letters(Selection(source=site.name, since_ms=since, until_ms=until)))

    assert between(second.time_ms, None) == [second]
    assert between(None, second.time_ms) == [first]
    assert between(first.time_ms, second.time_ms) == [first]
    assert between(second.time_ms + 1, None) == []


def test_what_is_no_dead_letter_is_passed_over(site: Site) -> None:
    """Somebody else's record in the topic hides none of ours."""
    producer = Producer(site.kafka)
    for value in (b"hello", None, b'{"error": 1}'):
        producer.send(f"{site.topic}.dlq", None, value, partition=0)
    producer.flush()
    site.reject([event(150)])

    assert [each.letter.offset for each in site.letters()] == [0]


def test_a_source_that_nobody_knows_is_named(site: Site) -> None:
    """Not an empty answer."""
    with pytest.raises(UnknownDeadLetters, match="nonsense"):
        site.letters(Selection(source="nonsense"))
    with pytest.raises(UnknownDeadLetters, match="no/0/1"):
        site.letters(Selection(places=frozenset({Coordinates("no", 0, 1)})))


def test_a_cut_message_comes_from_the_history_and_only_the_very_one(site: Site) -> None:
    """Coordinates alone may be those of another life of the topic: the hash decides."""
    whole = event(150)
    site.reject([whole], event_bytes=10)
    [found] = site.letters()
    right = Original(whole, b"v1", None)
    wrong = Original(event(151), b"v1", None)

    assert found.letter.event_bytes() == whole[:10]
    assert found.original(lambda _: []) is None
    assert found.original(lambda _: [wrong]) is None
    assert found.original(lambda at: [wrong, right] if at == found.source_at else []) == right


@pytest.mark.parametrize("text", ["topic/0/17", "a.b-c_d/12/0"])
def test_coordinates_are_read_as_they_are_written(text: str) -> None:
    """What a list shows can be given to `show`."""
    assert str(Coordinates.parse(text)) == text


@pytest.mark.parametrize("text", ["", "topic", "topic/0", "topic/x/1", "0/1"])
def test_what_are_no_coordinates_is_refused(text: str) -> None:
    """By a ValueError, for the command line to explain."""
    with pytest.raises(ValueError, match=r".*"):
        Coordinates.parse(text)
