"""`fleetlake deadletters` against the real embedded broker and a real lake."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource
from deltalake import write_deltalake

from broker.admin import Admin
from broker.producer import Producer
from broker.settings import KafkaSettings
from fleetlake import cli
from ingest.deadletters import Original
from lake.bronze import open_or_create
from lake.schemas import BRONZE
from lake.settings import LakeSettings
from lake.storage import wait_ready
from tests.environment import of_kafka
from tests.ingest.dead_letter_site import Site, event

ANY_TIME = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)}
NANOSECONDS = 1_761_559_635_000_000_000
LIMIT = 10
"""Bytes of the event in this test's dead letters that are cut."""


@pytest.fixture
def site(
    kafka_settings: KafkaSettings, tmp_path: Path, topic_name: str, monkeypatch: pytest.MonkeyPatch
) -> Site:
    """A source that the environment makes known to the command line, with a contract that was relaxed."""
    site = Site(kafka_settings, tmp_path, topic_name, topic_name.replace("-", "_"))
    site.create_topics()
    monkeypatch.setenv("FLEETLAKE_CONTRACTS", json.dumps([str(site.contract(500))]))
    for name, value in of_kafka(site.kafka).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLEETLAKE_INGEST__RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FLEETLAKE_LAKE__URI", str(tmp_path / "lake"))
    return site


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    code = cli.run(["deadletters", *arguments])
    output = capsys.readouterr()
    assert code == 0, output.err
    return output.out


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(run(capsys, *arguments, "--json"))


def test_the_newest_come_first_and_tell_whether_they_were_redriven(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a table and as JSON; a redrive shows in both."""
    site.reject([b"{", event(150)])

    newest, oldest = answer(capsys, "list", "--source", site.name)
    assert (newest["error"], oldest["error"]) == ("out_of_range", "malformed_json")
    assert newest["message"] == f"{site.topic}/0/1"
    assert newest["dead_letter"] == f"{site.topic}.dlq/0/1"
    assert [row["redriven"] for row in (newest, oldest)] == [False, False]
    assert len(answer(capsys, "list", "--source", site.name, "--limit", "1")) == 1
    assert len(answer(capsys, "list", "--source", site.name, "--reason", "malformed_json")) == 1
    assert answer(capsys, "list", "--source", site.name, "--until", "2020-01-01") == []

    assert answer(capsys, "redrive", "--source", site.name) == {
        "selected": 2,
        "sent": 1,
        "sent_before": 0,
        "still_rejected": {"malformed_json": 1},
        "incomplete": 0,
    }

    assert [row["redriven"] for row in answer(capsys, "list", "--source", site.name)] == [True, False]
    assert newest["dead_letter"] in run(capsys, "list", "--source", site.name)
    assert "sent before" in run(capsys, "redrive", newest["dead_letter"])
    assert site.payloads() == [b"{", event(150), event(150)]


@pytest.mark.parametrize("width", [80, 200])
def test_on_a_terminal_only_the_detail_is_cut(
    site: Site, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line a dead letter, no wider than the terminal; place, time and reason stand in it whole."""
    site.reject([b'{"id": "v1", "at": "2026-01-01T00:00:00Z", "speed": "%s"}' % (b"fast " * 40), event(150)])
    rows = answer(capsys, "list", "--source", site.name)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))

    heading, *lines = run(capsys, "list", "--source", site.name).splitlines()

    assert heading.split()[:4] == ["dead", "letter", "time", "reason"]
    assert ("message" in heading) == (width == 200)
    assert max(map(len, lines)) <= width
    for line, row in zip(lines, rows, strict=False):
        assert line.split()[:3] == [row["dead_letter"], row["time"][:19] + "Z", row["error"]]
    assert lines[2:4] == ["", "source" + " " * (len(site.name) - 6) + "  dead letters  reasons"]


def test_what_is_not_shown_is_told(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """How many there are, and of which source and reason; no line ends with blanks."""
    site.reject([b"{", event(150), event(151)])

    assert cli.run(["deadletters", "list", "--source", site.name, "--limit", "1"]) == 0
    output = capsys.readouterr()

    assert output.err == "1 of 3 dead letters; --limit N shows more\n"
    lines = output.out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert lines[-1].split(maxsplit=2) == [site.name, "3", "out_of_range 2, malformed_json 1"]


def test_a_letter_of_no_time_that_a_calendar_has_is_shown(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who sent it counted nanoseconds where Kafka means milliseconds."""
    site.reject([b"{"])
    [letter] = site.letters()
    topic = f"{site.topic}.dlq"
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in ANY_TIME.items()
    ]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    Admin(site.kafka).client.incremental_alter_configs([resource])[resource].result(10)
    producer = Producer(site.kafka)
    producer.send(topic, None, msgspec.json.encode(letter.letter), timestamp_ms=NANOSECONDS)
    producer.flush()
    assert not producer.failed

    newest, oldest = answer(capsys, "list", "--source", site.name)

    assert newest["time"] == f"{NANOSECONDS} ms"
    assert oldest["time"].endswith("Z")
    assert newest["time"] in run(capsys, "list", "--source", site.name)


def test_no_dead_letters_are_said_to_be_none(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """With the filters that were given."""
    said = run(capsys, "list", "--source", site.name, "--reason", "bad_time", "--since", "2020-01-01")
    assert (
        said == f"no dead letters of source {site.name} with reason bad_time since 2020-01-01T00:00:00.000Z\n"
    )


def test_one_is_shown_in_full(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """By its own place or its message's; bytes that are no text as base64."""
    site.reject([event(150), b"\xff\xfe"], headers=[("h", b"1")])

    shown = answer(capsys, "show", f"{site.topic}/0/0")
    assert shown["event"] == event(150).decode()
    assert shown["is_whole"] is True
    assert shown["headers"] == [["h", "1"]]
    assert shown["key"] == "v1"
    binary = answer(capsys, "show", f"{site.topic}.dlq/0/1")
    assert (binary["event_encoding"], binary["event"]) == ("base64", "//4=")
    assert run(capsys, "show", f"{site.topic}/0/0").endswith(f"event:\n{event(150).decode()}\n")


def test_a_cut_message_without_a_history_is_shown_as_far_as_it_goes(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """And is not sent."""
    site.reject([event(150)], event_bytes=LIMIT)

    shown = answer(capsys, "show", f"{site.topic}/0/0")
    assert (shown["is_whole"], shown["event"]) == (False, event(150)[:LIMIT].decode())
    assert answer(capsys, "redrive", f"{site.topic}/0/0")["incomplete"] == 1
    assert "no whole message" in run(capsys, "redrive", f"{site.topic}/0/0")


def test_a_cut_message_is_taken_from_the_history(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shown whole and sent whole, with the key and headers of bronze; another life's row is not mistaken."""
    site.reject([event(150)], headers=[("h", b"1")], event_bytes=LIMIT)
    land(tmp_path / "lake", site.topic, [event(999), event(150)])

    shown = answer(capsys, "show", f"{site.topic}/0/0")
    assert (shown["is_whole"], shown["event"]) == (True, event(150).decode())
    assert answer(capsys, "redrive", f"{site.topic}/0/0")["sent"] == 1
    assert site.messages()[-1] == Original(event(150), b"v1", [("h", b"1")])


def land(lake: Path, topic: str, payloads: list[bytes]) -> None:
    """Rows of bronze at offset 0 of a topic that was made anew once for each."""
    now = datetime.now(UTC)
    rows = [
        {
            "topic_id": f"life-{number}",
            "topic": topic,
            "partition": 0,
            "offset": 0,
            "kafka_time": now,
            "key": b"v1",
            "headers": [{"key": "h", "value": b"1"}],
            "payload": payload,
            "ingest_time": now,
            "ingest_date": now.date(),
        }
        for number, payload in enumerate(payloads)
    ]
    table = open_or_create(wait_ready(LakeSettings(uri=str(lake))))
    write_deltalake(table, pa.Table.from_pylist(rows, schema=BRONZE), mode="append")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "nonsense"], "TOPIC/PARTITION/OFFSET"),
        (["redrive", "a/b"], "TOPIC/PARTITION/OFFSET"),
        (["list", "--source", "nonsense"], "nonsense"),
        (["list", "--since", "yesterday"], "'yesterday' is no time, write one such as 2026-"),
        (["show", "nope/1/2"], "no source has a topic nope; there are "),
        (["show", "nope/1/2"], "car.telemetry.dlq.v1"),
        (["list", "--reason", "boredom"], "boredom"),
    ],
)
def test_what_cannot_be_meant_is_one_readable_line(
    site: Site, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    """No traceback, and not an empty answer."""
    assert cli.run(["deadletters", *arguments]) in (1, 2)
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_place_without_a_dead_letter_is_told(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The message there may be fine."""
    site.reject([event(50)])

    assert cli.run(["deadletters", "show", f"{site.topic}/0/0"]) == 2
    assert "no dead letter" in capsys.readouterr().err
