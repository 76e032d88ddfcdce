"""`fleetlake simulate` and `fleetlake replay` as a user runs them, against the embedded broker."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import pytest

from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics, TopicSpec
from contracts.decode import Decoder, RawBatch
from contracts.load import load_registry
from fleetlake.cli import run

DATA = Path(str(files("simulate"))) / "data"
PARTITIONS = 3
SOURCES = ("tcu", "car", "pressure", "twizy")
WITHOUT_TOPIC = "vss"


@dataclass(frozen=True)
class Place:
    """A broker, and a folder of contracts whose topics are this test's own."""

    kafka: KafkaSettings
    contracts: Path
    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.environment(), capture_output=True, text=True, timeout=120
        )

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "fleetlake.cli", *arguments]

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "FLEETLAKE_KAFKA__READY_TIMEOUT_S": "5",
            "FLEETLAKE_CONTRACTS": json.dumps([str(self.contracts)]),
            "FLEETLAKE_DATA_DIR": str(self.folder / "stack"),
            "COLUMNS": "200",
        }

    def topic(self, source: str) -> str:
        return load_registry([self.contracts]).contracts[source].topics[0]

    def landed(self, source: str) -> list[tuple[bytes | None, bytes | None, int]]:
        """Key, value and time of every record of the source's topic, in order per partition."""
        found = []
        with PartitionReader(self.kafka) as reader:
            for number in range(PARTITIONS):
                for run in reader.read(TopicPartition(self.topic(source), number), 0):
                    found += list(zip(run.keys, run.values, run.times_ms, strict=True))
        return found


@pytest.fixture
def place(tmp_path: Path, kafka_settings: KafkaSettings, topic_name: str) -> Place:
    """Sources tcu, car, pressure and twizy on topics of the test's own, which exist, and vss on one that does
    not."""
    folder = tmp_path / "contracts"
    folder.mkdir()
    built_in = Path(str(files("contracts"))) / "sources"
    known = load_registry().contracts
    for source in (*SOURCES, WITHOUT_TOPIC):
        topics = known[source].topic_settings
        text = (built_in / f"{source}.yml").read_text()
        for topic in sorted(topics, key=len, reverse=True):
            text = text.replace(topic, f"{topic_name}.{source}.{len(topic)}")
        (folder / f"{source}.yml").write_text(text)
    place = Place(kafka_settings, folder, tmp_path)
    own = load_registry([folder]).contracts
    Topics(kafka_settings).create([TopicSpec(own[source].topics[0], PARTITIONS) for source in SOURCES])
    return place


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run_here(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command line in this process, which has imported everything; `place.run` is a process of its own."""
    for name, value in place.environment().items():
        monkeypatch.setenv(name, value)

    def run_line(*arguments: str) -> Done:
        code = run(arguments)
        return Done(code, *capsys.readouterr())

    return run_line


def test_the_report_is_what_landed(place: Place) -> None:
    """Per topic as many records as acknowledged, per reason as many as decoding rejects."""
    done = place.run(
        *("simulate", "-s", "tcu=2", "-s", "car", "-s", "pressure", "--count", "2000", "--rate", "0"),
        *("--invalid", "0.2", "--sensors", "20"),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    registry = load_registry([place.contracts])
    for source, counted in report["sources"].items():
        records = place.landed(source)
        assert len(records) == counted["acknowledged"] == (1000 if source == "tcu" else 500)
        keys, values, times = zip(*records, strict=True)
        decoder = Decoder(registry.contracts[source], registry.catalog)
        errors = decoder.decode(RawBatch(values, times, keys, [None] * len(keys))).column("error").to_pylist()
        assert Counter(filter(None, errors)) == counted["invalid_by_reason"]
    assert report["total"]["acknowledged"] == 2000


def test_a_paced_run_keeps_its_time(place: Place, run_here: Run) -> None:
    """200 messages a second for two seconds are 400 messages in two seconds."""
    done = run_here("simulate", "-s", "tcu", "--rate", "200", "--duration", "2")
    report = json.loads(done.stdout)
    assert report["total"]["acknowledged"] == pytest.approx(400, abs=12)
    assert 1.9 < report["seconds"] < 15.0
    assert len(place.landed("tcu")) == report["total"]["acknowledged"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_with_its_report(place: Place, number: signal.Signals) -> None:
    """Without an end of its own; everything that was acknowledged is reported, and the exit code is 0."""
    process = subprocess.Popen(
        place.command("simulate", "-s", "car", "--rate", "5000"),
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        with PartitionReader(place.kafka) as reader:
            partition = TopicPartition(place.topic("car"), 0)
            while reader.ends(partition)[1] == 0:
                assert process.poll() is None
        process.send_signal(number)
        stdout, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    report = json.loads(stdout)
    assert process.returncode == 0
    assert report["stopped"]
    assert report["total"]["acknowledged"] == report["total"]["sent"] == len(place.landed("car")) > 0


def test_replay_sends_the_bytes_of_the_file(place: Place, run_here: Run) -> None:
    """Use case 2: eight messages in the order of the file, in one partition, keyed by vehicle."""
    path = DATA / "tcu" / "use_case_2.jsonl"
    done = run_here("replay", str(path), "--source", "tcu")
    assert done.returncode == 0, done.stderr
    assert [(key, value) for key, value, _ in place.landed("tcu")] == [
        (b"981", line) for line in path.read_bytes().splitlines()
    ]
    assert json.loads(done.stdout)["keys"] == {"981": 8}


def test_replay_of_a_drive(place: Place, run_here: Run) -> None:
    """All rows, and those without a time are counted."""
    done = run_here("replay", str(DATA / "twizy" / "T3_06_07_2021.csv.gz"), "-s", "twizy", "--vehicle", "T3")
    report = json.loads(done.stdout)
    records = place.landed("twizy")
    assert len(records) == report["acknowledged"] == report["valid"] == 1703
    assert {key for key, _, _ in records} == {b"T3"}


def test_what_is_left_out_is_said(place: Place, run_here: Run) -> None:
    """Objects behind an output heading: how many, and how to send them."""
    path = place.folder / "case.txt"
    path.write_text('Input\n{"did":"1"}\nOutput\n{"did":"1"}\n{"did":"1"}\n')
    done = run_here("replay", str(path), "-s", "tcu", "--dry-run", "--force")
    assert "left out 2 objects behind an output heading" in done.stderr
    assert "--all-objects" in done.stderr
    assert json.loads(done.stdout)["sent"] == 1


def test_too_large_a_message_fails_alone(place: Place, run_here: Run) -> None:
    """Its siblings arrive, the report says so, and the exit code is 1."""
    path = place.folder / "large.jsonl"
    path.write_bytes(b'{"did":"1"}\n{"did":"' + b"x" * (17 * 1024 * 1024) + b'"}\n{"did":"2"}\n')
    done = run_here("replay", str(path), "-s", "tcu", "--force")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert (report["acknowledged"], report["failed"]) == (2, 1)
    assert "1 message not acknowledged" in done.stderr
    assert len(place.landed("tcu")) == 2


def test_a_file_of_another_source_is_not_sent(place: Place, run_here: Run) -> None:
    """One line names the file, the usual reason and how to look; with --force all of it is sent."""
    drive = str(DATA / "twizy" / "T3_06_07_2021.csv.gz")
    refused = run_here("replay", drive, "-s", "tcu")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.count("\n") == 1
    assert f"{drive}: nothing was sent, none of its first 1,000 messages is valid" in refused.stderr
    assert "missing_field: 1,000" in refused.stderr
    assert f"`fleetlake contracts check tcu {drive}`" in refused.stderr
    assert place.landed("tcu") == []

    forced = run_here("replay", drive, "-s", "tcu", "--force")
    assert forced.returncode == 0
    assert json.loads(forced.stdout)["invalid_by_reason"] == {"missing_field": 1703}
    assert len(place.landed("tcu")) == 1703


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("simulate", "-s", "tcu", "-s", "car", "--count", "40", "--rate", "0", "--invalid", "0.5"),
            [
                "40 messages in",
                "source  ",
                "tcu ",
                "car ",
                "together ",
                "invalid: ",
                "next: `fleetlake wait`",
            ],
        ),
        (
            ("replay", str(DATA / "tcu" / "use_case_2.jsonl"), "-s", "tcu"),
            ["8 messages in", "file ", "use_case_2.jsonl ", "next: `fleetlake wait`"],
        ),
        (
            ("replay", str(DATA / "tcu" / "use_case_2.jsonl"), "-s", "tcu", "--dry-run"),
            ["8 messages in", "file ", "use_case_2.jsonl ", "nothing was sent"],
        ),
    ],
    ids=["simulate", "replay", "dry run"],
)
def test_a_terminal_gets_a_short_text(
    place: Place,
    arguments: Sequence[str],
    expected: Sequence[str],
    run_here: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In 80 columns, with what to do next; with --json the whole report."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    done = run_here(*arguments)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == len(expected), lines
    assert all(line.startswith(begin) for line, begin in zip(lines, expected, strict=True)), lines
    assert max(len(line) for line in lines if not line.startswith("invalid")) <= 80
    whole = run_here(*arguments, "--json")
    assert whole.returncode == 0
    assert "invalid_by_reason" in whole.stdout


FAILURES: list[tuple[Sequence[str], str]] = [
    (("replay", "missing.jsonl", "-s", "tcu"), "missing.jsonl: no such file"),
    (("replay", "empty.jsonl", "-s", "tcu"), "is empty"),
    (("replay", "binary", "-s", "tcu"), "is a binary file"),
    (("replay", "good.jsonl", "-s", "tcu"), "good.jsonl: nothing was sent, none of its messages is valid"),
    (("replay", "good.jsonl", "-s", "tci"), "no source is called 'tci'"),
    (("replay", "good.jsonl", "-s", "tcu", "--speed", "fast"), "--speed"),
    (("simulate", "-s", "tci"), "no source is called 'tci'"),
    (("simulate", "--rate", "0"), "--count or --duration"),
    (("simulate", "--start", "today"), "--start"),
    (("simulate", "--start", "2199-01-01T00:00:00Z"), "--start"),
    (("simulate", "-s", WITHOUT_TOPIC, "--count", "1"), "fleetlake topics create"),
]


@pytest.mark.parametrize(("arguments", "expected"), FAILURES, ids=[" ".join(case[0]) for case in FAILURES])
def test_what_cannot_be_done_is_one_line(
    place: Place,
    arguments: Sequence[str],
    expected: str,
    run_here: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On stderr, without a traceback and without a report; exit code not 0."""
    (place.folder / "empty.jsonl").touch()
    (place.folder / "good.jsonl").write_text('{"did":"1"}\n')
    (place.folder / "binary").write_bytes(bytes(range(256)))
    monkeypatch.chdir(place.folder)
    done = run_here(*arguments)
    assert done.returncode != 0
    assert done.stdout == ""
    assert expected in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
