"""Envelopes of rejected messages: whatever a message is, its letter says what it was and fits into Kafka."""

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.record import Headers, Records
from contracts.load import load_registry
from ingest.dead_letter import EVENT_BYTES, DeadLetter, dead_letters, read_dead_letter
from ingest.decoding import RunDecoder
from ingest.metrics import SinkMetrics
from ingest.outgoing import Outgoing
from tests.ingest.routes_fleet import car

KAFKA_DEFAULT_LIMIT = 1_048_588
RECORD_OVERHEAD = 100
REGISTRY = load_registry()
TOPIC = "car.telemetry.v1"


def run_of(*values: bytes | None, key: bytes | None = b"key", headers: Headers | None = None) -> Records:
    """Messages of one partition from offset 7 on."""
    count = len(values)
    return Records(
        topic=TOPIC, partition=3, offsets=list(range(7, 7 + count)), times_ms=[1_772_054_898_000] * count,
        keys=[key] * count, headers=[headers] * count, values=list(values), next_offset=7 + count,
    )  # fmt: skip


def letters_of(records: Records, event_bytes: int = EVENT_BYTES) -> list[Outgoing]:
    run = RunDecoder(REGISTRY, SinkMetrics("test")).decode(records)
    return list(dead_letters(run, "dlq", "car", "the hash", event_bytes))


def letter_of(value: bytes | None, **beside: Any) -> tuple[Outgoing, DeadLetter]:
    [message] = letters_of(run_of(value, **beside))
    return message, read_dead_letter(message.value)


def size_of(message: Outgoing) -> int:
    """What a broker compares with its limit."""
    beside = sum(len(name.encode()) + len(value or b"") + 10 for name, value in message.headers or ())
    return len(message.value) + len(message.key or b"") + beside + RECORD_OVERHEAD


def test_only_rejected_messages_become_letters() -> None:
    """In their order, with the coordinates of each."""
    messages = letters_of(run_of(car(), b"{", car(), None, b"[]"))

    letters = [read_dead_letter(message.value) for message in messages]
    assert [(each.partition, each.offset, each.error) for each in letters] == [
        (3, 8, "malformed_json"),
        (3, 10, "malformed_json"),
        (3, 11, "not_an_object"),
    ]
    assert {(each.source, each.source_topic, each.contract_hash) for each in letters} == {
        ("car", TOPIC, "the hash")
    }
    assert letters_of(run_of(car(), car())) == []


def test_a_letter_is_the_documented_json() -> None:
    """What other programs read; fields that say nothing are left out."""
    value = car(speed=999.0)
    message, letter = letter_of(value)

    assert json.loads(message.value) == {
        "error": "out_of_range",
        "detail": letter.detail,
        "source": "car",
        "source_topic": TOPIC,
        "partition": 3,
        "offset": 7,
        "contract_hash": "the hash",
        "size": len(value),
        "sha256": hashlib.sha256(value).hexdigest(),
        "event": value.decode(),
    }
    assert "speed" in (letter.detail or "")


def test_key_and_headers_are_the_original_ones() -> None:
    """Order, repetition and nulls included."""
    headers: Headers = [("a", b"1"), ("b", None), ("a", b"\xff"), ("ä", b"")]
    message, letter = letter_of(b"{", key=b"\x00k", headers=headers)
    assert (message.key, message.headers) == (b"\x00k", headers)
    assert (letter.key_dropped, letter.headers_dropped) == (False, 0)
    assert letter_of(b"{", key=None, headers=None)[0][2::2] == (None, None)


def test_a_null_payload_is_not_an_empty_one() -> None:
    """Neither has an event; only the empty one has a size."""
    _, null = letter_of(None)
    _, empty = letter_of(b"")
    assert (null.size, null.sha256, null.event, null.event_bytes()) == (None, None, None, None)
    assert (empty.size, empty.event, empty.event_bytes()) == (0, "", b"")
    assert empty.sha256 == hashlib.sha256(b"").hexdigest()


def test_what_is_no_utf_8_goes_as_base64() -> None:
    """And comes back as it was."""
    value = b'{"speed": \xff\xfe}'
    message, letter = letter_of(value)
    assert letter.event_encoding == "base64"
    assert base64.b64decode(json.loads(message.value)["event"]) == value
    assert letter.event_bytes() == value


@pytest.mark.parametrize("excess", [-1, 0, 1, 900_000])
@pytest.mark.parametrize("character", ["x", "ä", "\U0001f697", "\x00", '"'])
def test_an_event_is_cut_at_64_kib_between_characters(character: str, excess: int) -> None:
    """Size and hash stay those of the whole."""
    width = len(character.encode())
    value = b"{" + character.encode() * ((EVENT_BYTES - 1 + excess) // width)
    message, letter = letter_of(value)

    cut = letter.event_bytes()
    assert cut is not None
    assert value.startswith(cut)
    assert len(value) == len(cut) or EVENT_BYTES - width < len(cut) <= EVENT_BYTES
    assert letter.event_cut == (len(value) > EVENT_BYTES)
    assert (letter.size, letter.sha256) == (len(value), hashlib.sha256(value).hexdigest())
    assert size_of(message) < KAFKA_DEFAULT_LIMIT


def test_a_binary_event_is_cut_at_64_kib_too() -> None:
    """Before it is made longer by base64."""
    value = b"\xff" * 1_000_000
    _, letter = letter_of(value)
    assert letter.event_bytes() == value[:EVENT_BYTES]
    assert letter.event_cut


def test_key_and_headers_that_leave_no_room_are_counted_not_kept() -> None:
    """The rest of the headers stays; the letter says what is missing."""
    headers: Headers = [("first", b"1"), ("huge", b"x" * 900_000), ("last", b"2")]
    message, letter = letter_of(b"\xff" * 70_000, headers=headers)
    assert message.headers == [("first", b"1"), ("last", b"2")]
    assert letter.headers_dropped == 1
    message, letter = letter_of(b"{", key=b"k" * 900_000, headers=[("a", b"1")])
    assert (message.key, message.headers, letter.key_dropped) == (None, [("a", b"1")], True)


@given(
    value=st.binary(max_size=200_000) | st.text(max_size=70_000).map(lambda text: ("{" + text).encode()),
    key=st.none() | st.binary(max_size=600_000),
    headers=st.none()
    | st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=400_000)), max_size=6),
)
def test_every_letter_fits_the_default_limit(
    value: bytes, key: bytes | None, headers: Headers | None
) -> None:
    """And can be read back."""
    for message in letters_of(run_of(value, key=key, headers=headers)):
        assert size_of(message) < KAFKA_DEFAULT_LIMIT
        letter = read_dead_letter(message.value)
        assert letter.size == len(value)
        assert value.startswith(letter.event_bytes() or b"")


def test_a_bare_letter_has_neither_event_nor_key_nor_headers() -> None:
    """For a topic that refuses larger ones: coordinates and hash find the message again."""
    [message] = letters_of(run_of(b"\xff" * 100, headers=[("a", b"1")]), event_bytes=0)
    letter = read_dead_letter(message.value)
    assert (letter.event, letter.event_cut, letter.size) == ("", True, 100)
    assert (letter.key_dropped, letter.headers_dropped, letter.offset) == (True, 1, 7)
    assert size_of(message) < 1000
