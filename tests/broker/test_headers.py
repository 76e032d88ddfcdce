"""A header whose name is not UTF-8 stops no consumer, and is marked."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from broker.headers import headers_of
from broker.reader import PartitionReader
from broker.record import Headers, TopicPartition
from broker.settings import KafkaSettings
from tests.broker.members import Join, MakeTopic
from tests.broker.raw_produce import RawHeaders, RawRecord, produce_raw

SENT: dict[str, tuple[RawHeaders, Headers | None]] = {
    "first": ([], None),
    "good": ([(b"a", b"1"), ("é".encode(), None), (b"", b"")], [("a", b"1"), ("é", None), ("", b"")]),
    "one": (
        [(b"a", b"1"), (b"caf\xe9 50%", b"2"), (b"a", None)],
        [("a", b"1"), ("not-utf8:caf%E9%2050%25", b"2"), ("a", None)],
    ),
    "several": (
        [(b"\xff", None), (b"ok", b"1"), (b"\xc3\x28", b"2"), (b"\xed\xa0\x80", b"3")],
        [("not-utf8:%FF", None), ("ok", b"1"), ("not-utf8:", b"2"), ("not-utf8:", b"3")],
    ),
    "between": ([(b"b", b"1")], [("b", b"1")]),
    "again": ([(b"\x80", b"1")], [("not-utf8:%80", b"1")]),
    "last": ([], None),
}
"""Headers of a message, by its payload, as they are written and as they are read."""

PAYLOADS = [payload.encode() for payload in SENT]
READ = [headers for _, headers in SENT.values()]


@pytest.fixture
def topic(settings: KafkaSettings, make_topic: MakeTopic) -> str:
    """A topic with these messages."""
    name = make_topic()
    records = [RawRecord(b"key", payload.encode(), headers) for payload, (headers, _) in SENT.items()]
    now = int(time.time() * 1000)  # of an older one the broker's retention may have taken the records already
    produce_raw(settings.bootstrap_servers, name, *records, time_ms=now)
    return name


def test_a_group_reads_on_behind_a_name_that_is_not_utf8(
    any_way: KafkaSettings, topic: str, join: Join
) -> None:
    """Every message of the batch is returned, once, with every header in its place and every value."""
    member = join([topic], settings=any_way)

    assert member.poll_values(len(SENT)) == PAYLOADS
    assert [headers for run in member.runs for headers in run.headers] == READ
    assert [offset for run in member.runs for offset in run.offsets] == list(range(len(SENT)))
    assert member.runs[-1].next_offset == len(SENT)


def test_a_reader_reads_on_behind_a_name_that_is_not_utf8(reader: PartitionReader, topic: str) -> None:
    """The audit, a rebuild and the search for dead letters read so."""
    runs = list(reader.read(TopicPartition(topic, 0), 0))

    assert [value for run in runs for value in run.values] == PAYLOADS
    assert [headers for run in runs for headers in run.headers] == READ


Script = list[Headers | Exception | None]
NO_TEXT = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


class Scripted:
    """A message of a client that behaves otherwise."""

    def __init__(self, *script: Headers | Exception | None) -> None:
        self._script: Script = list(script)

    def headers(self) -> Headers | None:
        answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def read_headers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Reads the headers of scripted messages."""
    monkeypatch.setattr("broker.headers.Message", Scripted)
    return headers_of


def test_what_another_client_does_not_keep_is_marked_too(read_headers: Callable[..., Any]) -> None:
    """One that raises at each call, or has nothing at the next: that there was something is not lost."""
    good: Headers = [("a", b"1")]
    marked: Headers = [("not-utf8:%FF", None)]
    messages = [Scripted(good), Scripted(NO_TEXT), Scripted(NO_TEXT, None), Scripted(NO_TEXT, good)]

    assert read_headers(messages) == [good, marked, marked, [*good, *marked]]


def test_an_error_of_another_kind_is_not_taken_for_a_name(read_headers: Callable[..., Any]) -> None:
    """Nothing is made up where nobody knows what went wrong."""
    with pytest.raises(SystemError, match="out of order"):
        read_headers([Scripted([]), Scripted(SystemError("out of order"))])
