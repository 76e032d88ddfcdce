"""The stack's servers over starts, stops and crashes. All of it is real: processes, kills, ports."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from broker.producer import Producer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from fleetlake.stack import embedded
from fleetlake.stack.runfile import StackState, read_stack
from fleetlake.stack.server import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fleetlake.conftest import StackUnderTest

TOPIC = TopicPartition("telemetry_raw", 0)
SNAPSHOT_SECONDS = 30.0
REST_SECONDS = 3.0
"""A snapshot of this age has everything: one is written about every second, if there is anything new."""


def send(stack: StackUnderTest, count: int) -> None:
    """Sends messages to one partition; returns when all are acknowledged."""
    producer = Producer(KafkaSettings(bootstrap_servers=stack.file.kafka))
    for number in range(count):
        producer.send(TOPIC.topic, b"k", b"%d" % number, partition=TOPIC.partition)
    producer.flush()
    assert producer.delivered == count


def log_end(stack: StackUnderTest) -> int:
    """How many messages the partition holds."""
    with PartitionReader(KafkaSettings(bootstrap_servers=stack.file.kafka)) as reader:
        return reader.ends(TOPIC)[1]


@pytest.mark.slow
def test_a_second_start_goes_on_where_the_first_stopped(stack: StackUnderTest) -> None:
    """Same log, same ports, same broker id; and nothing is left running in between."""
    stack.up("--no-ingest")
    first, incarnation = stack.file, stack.incarnation
    send(stack, 1000)
    stack.down()
    assert read_stack(stack.layout) is None
    assert not any(process.is_alive for process in first.processes)
    printed = stack.up("--no-ingest")
    assert log_end(stack) == 1000
    assert (stack.file.kafka, stack.file.mongo, stack.incarnation) == (first.kafka, first.mongo, incarnation)
    assert "not stopped cleanly" not in printed


def test_a_second_start_beside_a_running_one_is_refused(stack: StackUnderTest) -> None:
    """In one readable line, in the foreground and in the background; the first goes on."""
    stack.up("--no-ingest")
    for options in ([], ["--detach"]):
        refused = stack.command("up", "--no-ingest", *options)
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1
        assert f"(pid {stack.file.pid})" in refused.stderr
    assert stack.file.is_running
    assert log_end(stack) == 0


@pytest.mark.slow
def test_a_killed_stack_blocks_nothing(stack: StackUnderTest) -> None:
    """kill -9 of `up`: the next start ends what is left, the broker saves its log, the id is kept."""
    stack.up("--no-ingest")
    send(stack, 1000)
    before, incarnation = stack.file, stack.incarnation
    stack.kill("up")
    assert all(process.is_alive for process in before.processes)
    printed = stack.up("--no-ingest")
    assert "left by a killed stack" in printed
    assert not any(process.is_alive for process in before.processes)
    assert log_end(stack) == 1000
    assert stack.incarnation == incarnation


def test_down_ends_what_a_killed_stack_left(stack: StackUnderTest) -> None:
    """Also when nobody starts it again."""
    stack.up("--no-ingest")
    left = stack.file.processes
    stack.kill("up")
    done = stack.command("down")
    assert done.returncode == 0
    assert "kafka" in done.stdout
    assert not any(process.is_alive for process in left)
    assert stack.command("down").stdout.startswith("no stack runs in ")


@pytest.mark.slow
def test_down_names_who_did_not_end_in_order(stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, exit code 1; all has ended."""
    monkeypatch.setenv("FLEETLAKE_INGEST__SHUTDOWN_SECONDS", "1")
    stack.up()
    running = stack.file.processes
    os.kill(stack.process("state").pid, signal.SIGSTOP)
    done = stack.command("down")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "fleetlake: the stack is stopped, but not in order: state was killed after "
    )
    assert done.stderr.count("\n") == 1
    assert "history" not in done.stderr
    assert not any(process.is_alive for process in running)


def test_a_killed_broker_comes_back_under_a_new_id(stack: StackUnderTest) -> None:
    """Its log may have gone back; the person is told; the same port answers again."""
    stack.up("--no-ingest")
    snapshot = stack.layout.kafka / "kafka.json"
    assert wait_until(snapshot.exists, SNAPSHOT_SECONDS)
    empty = snapshot.stat().st_size
    send(stack, 1000)
    assert wait_until(lambda: snapshot.stat().st_size > empty, SNAPSHOT_SECONDS)
    assert wait_until(lambda: time.time() - snapshot.stat().st_mtime > REST_SECONDS, SNAPSHOT_SECONDS)
    before, address = stack.incarnation, stack.file.kafka
    stack.kill("kafka")
    stack.await_restart("kafka")
    assert stack.incarnation != before
    assert stack.file.kafka == address
    assert log_end(stack) == 1000
    assert "not stopped cleanly" in stack.layout.log("up").read_text()
    renewed = [event for event in stack.log_events() if event["event"] == "incarnation_renewed"]
    assert [event["incarnation"] for event in renewed] == [stack.incarnation]


def test_a_killed_mongodb_comes_back_and_the_broker_does_not_notice(stack: StackUnderTest) -> None:
    """Same address, same broker id."""
    stack.up("--no-ingest")
    incarnation, address = stack.incarnation, stack.file.mongo
    stack.kill("mongo")
    stack.await_restart("mongo")
    assert stack.file.mongo == address
    assert stack.incarnation == incarnation
    assert stack.process("kafka").restarts == 0


def test_a_machine_that_went_down_is_noticed_at_the_next_start(stack: StackUnderTest) -> None:
    """Everything was killed at once: a new id, and the person is told what that means."""
    stack.up("--no-ingest")
    before = stack.incarnation
    stack.kill("up", "kafka", "mongo")
    printed = stack.up("--no-ingest")
    assert stack.incarnation != before
    assert "may have lost what it acknowledged last" in printed


@pytest.mark.slow
def test_taken_ports_are_replaced_by_free_ones(stack: StackUnderTest) -> None:
    """Another program listens where the broker was: the stack says where it is now."""
    stack.up("--no-ingest")
    port = int(stack.file.kafka.rpartition(":")[2])
    stack.down()
    with closing(socket.create_server(("127.0.0.1", port))):
        stack.up("--no-ingest")
        assert stack.file.kafka != f"127.0.0.1:{port}"
        assert log_end(stack) == 0


def test_a_broker_that_cannot_start_is_an_error_that_names_its_log(stack: StackUnderTest) -> None:
    """A broken snapshot: one line, exit code 1, nothing left running."""
    stack.layout.kafka.mkdir(parents=True)
    (stack.layout.kafka / "kafka.json").write_text('{"topics": [')
    failed = stack.command("up", "--no-ingest", "--detach")
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "failed to parse kafka snapshot" in failed.stderr
    assert str(stack.layout.log("up")) in failed.stderr
    assert read_stack(stack.layout) is None


def test_a_server_that_is_set_explicitly_is_used_and_not_started(
    stack: StackUnderTest, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka is somebody else's: topics are created there, MongoDB is embedded, there is no broker id."""
    monkeypatch.setenv("FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS", kafka)
    stack.up("--no-ingest")
    assert [process.name for process in stack.file.processes] == ["mongo"]
    assert (stack.file.kafka, stack.file.incarnation_file) == (kafka, None)
    assert not stack.layout.kafka.exists()
    status = json.loads(stack.command("status", "--json").stdout)
    assert (status["kafka"], status["running"]) == (kafka, True)


@pytest.mark.parametrize(("package", "variable"), [("noida_db", "KAFKA"), ("secantus", "MONGO")])
def test_a_server_that_is_not_installed_is_named_with_both_ways_out(
    package: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Install it, or set another one's address."""
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    start = embedded.spawn_kafka if package == "noida_db" else embedded.spawn_mongo
    with pytest.raises(embedded.ServerNotInstalled, match=f"extra `local`, or set FLEETLAKE_{variable}"):
        start(tmp_path, 1, tmp_path / "log")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["pipe without a reader", "closed terminal"])
def test_a_stack_that_nobody_sees_any_more_stops_in_order(stack: StackUnderTest, how: str) -> None:
    """`up | tee log` and Ctrl-C ends `tee` first; closing a window takes the terminal away. No server is
    left, and every file is as after any stop."""
    watched, shown = os.openpty() if how == "closed terminal" else os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "fleetlake.cli", "up", "--no-ingest"],
        env={**os.environ, "FLEETLAKE_DATA_DIR": str(stack.layout.root)},
        stdin=subprocess.DEVNULL,
        stdout=shown,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(shown)
    with process:
        assert wait_until(lambda: is_running(stack), 60)
        servers = stack.file.processes
        os.close(watched)
        process.send_signal(signal.SIGHUP if how == "closed terminal" else signal.SIGINT)
        _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, ""), stack.layout.log("stack").read_text()
    assert not any(server.is_alive for server in servers)
    assert not stack.layout.stack_file.exists()
    assert stack.layout.log("stack").read_text().count("stack_stopped") == 1


def is_running(stack: StackUnderTest) -> bool:
    """Whether everything was started."""
    found = read_stack(stack.layout)
    return found is not None and found.state is StackState.RUNNING


def test_ctrl_c_in_the_foreground_stops_everything_cleanly(stack: StackUnderTest) -> None:
    """Exit code 0; plain lines where there is no terminal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fleetlake.cli", "up", "--no-ingest"],
        env={**os.environ, "FLEETLAKE_DATA_DIR": str(stack.layout.root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert wait_until(lambda: is_running(stack), 60)
        servers = stack.file.processes
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert printed.splitlines()[-1].endswith(" stopped")
    assert "kafka listens on port" in printed
    assert not any(server.is_alive for server in servers)
