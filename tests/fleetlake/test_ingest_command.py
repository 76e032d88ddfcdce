"""`fleetlake ingest` as an operator meets it: real processes, signals, exit codes, JSON logs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from broker.producer import Producer
from broker.settings import KafkaSettings
from broker.topics import Topics, specs_from
from contracts.load import load_registry
from fleetlake.demo.plan import USE_CASES
from fleetlake.stack.server import free_port, wait_until
from ingest.errors import EXIT_OPERATOR_NEEDED
from lake.query import connect
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from tests.environment import of_kafka, of_lake, of_mongo

STOP_SECONDS = 10.0


@dataclass
class Command:
    """`fleetlake ingest` on the test run's servers, with groups, lake and database of the test's own."""

    environment: dict[str, str]
    log: Path
    lake: LakeSettings
    mongo: MongoSettings
    kafka: KafkaSettings
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "fleetlake.cli", "ingest", *arguments],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def events(self, event: str) -> list[dict[str, Any]]:
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [found for found in map(json.loads, lines) if found["event"] == event]

    def await_events(self, event: str, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        def matching() -> list[dict[str, Any]]:
            return [e for e in self.events(event) if all(e.get(k) == v for k, v in fields.items())]

        assert wait_until(lambda: len(matching()) >= count, 60), self.log.read_text()[-3000:]
        return matching()

    def send_use_case(self) -> int:
        producer = Producer(self.kafka)
        lines = USE_CASES["use case 2"][0].read_bytes().splitlines()
        for line in lines:
            producer.send("telemetry_raw", b"981", line)
        producer.flush()
        return len(lines)

    def rows(self) -> int:
        with connect(self.lake) as warehouse:
            answer = warehouse.query("select count(*) as n from bronze.events where vehicle_id = '981'")
            return int(answer.table()["n"][0].as_py())


@pytest.fixture
def command(
    tmp_path: Path, kafka_settings: KafkaSettings, mongo_settings: MongoSettings, lake_settings: LakeSettings
) -> Command:
    Topics(kafka_settings).create(specs_from(load_registry(), kafka_settings))
    environment = {
        "FLEETLAKE_DATA_DIR": str(tmp_path / "data"),
        **of_kafka(kafka_settings),
        **of_mongo(mongo_settings),
        **of_lake(lake_settings),
        "FLEETLAKE_INGEST__COMMIT_SECONDS": "1",
    }
    return Command(environment, tmp_path / "log", lake_settings, mongo_settings, kafka_settings)


def test_sinks_that_should_catch_up_end_by_themselves(command: Command) -> None:
    """Exit code 0, and everything that was in the log is in the lake and in the state."""
    command.send_use_case()
    with command.running("history", "state", "--until-caught-up") as process:
        assert process.wait(90) == 0, command.log.read_text()[-3000:]
    assert command.rows() >= 8
    with StateStore(command.mongo) as store:
        found = store.read("981")
    assert found is not None
    assert found.signals["speed"].v == 25.0
    assert len(command.events("process_done")) == 2


def test_a_killed_sink_is_started_again_and_a_stop_ends_all_with_0(command: Command) -> None:
    """The others go on meanwhile; SIGTERM: batches are finished, and all of it within ten seconds."""
    with command.running("history", "state") as process:
        command.await_events("started", sink="history")
        (first,) = command.await_events("process_started", process="state")
        os.kill(first["child_pid"], signal.SIGKILL)
        (crash,) = command.await_events("process_crashed")
        assert (crash["process"], crash["how"]) == ("state", "was killed by SIGKILL")
        _, second = command.await_events("process_started", 2, process="state")
        command.await_events("started", sink="state", pid=second["child_pid"])
        assert len(command.events("process_started")) == 3
        process.terminate()
        assert process.wait(STOP_SECONDS + 5) == 0, command.log.read_text()[-3000:]
    assert [event["level"] for event in command.events("process_stopped")] == ["info", "info"]


@pytest.mark.parametrize("sink", ["history", "state"])
def test_a_sink_that_waits_for_its_broker_can_be_stopped(command: Command, sink: str) -> None:
    """There is nothing to finish: exit code 0."""
    command.environment["FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS"] = f"127.0.0.1:{free_port()}"
    with command.running(sink) as process:
        command.await_events("starting", sink=sink)
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0


def test_a_sink_that_needs_an_operator_says_so_by_its_exit_code(command: Command) -> None:
    """One line with the reason; a supervisor reports it, and does not try again at once."""
    command.environment["FLEETLAKE_KAFKA__INCARNATION_FILE"] = str(command.log.with_name("missing"))
    with command.running("history") as process:
        assert process.wait(60) == EXIT_OPERATOR_NEEDED
    reason = command.log.read_text().splitlines()[-1]
    assert reason.startswith("fleetlake: ")
    assert "missing" in reason
    with command.running("history", "state") as process:
        event = command.await_events("process_needs_operator", process="history")[0]
        assert "missing" in event["reason"]
        assert event["restart_in_s"] >= 60
        process.terminate()
        process.wait(STOP_SECONDS + 5)
