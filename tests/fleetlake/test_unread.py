"""A stack whose sinks do not read what its user means is named, wherever the user looks."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from broker.record import TopicPartition
from contracts.load import load_registry
from fleetlake.doctor.findings import Verdict
from fleetlake.doctor.local_checks import check_sinks
from fleetlake.settings import Settings
from fleetlake.stack.layout import Layout, layout_of
from fleetlake.stack.processes import myself
from fleetlake.stack.runfile import ProcessEntry, StackFile, StackState
from fleetlake.stack.status import Status, render
from fleetlake.stack.unread import hindrance
from fleetlake.stack.waiting import StillBehind

if TYPE_CHECKING:
    from tests.fleetlake.conftest import StackUnderTest

TRUCKS = """
name: trucks
shape: wide
topics:
  trucks.v1: {partitions: 3}
vehicle: {field: truck}
event_time: {field: at, format: epoch_s}
signals:
  v: speed
"""
SENTENCE = (
    "the running sinks do not read trucks.v1 (contract trucks was added after they started): "
    "`fleetlake down` and `fleetlake up` with FLEETLAKE_CONTRACTS set"
)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A data folder, and a contract that the environment adds."""
    contract = tmp_path / "trucks.yml"
    contract.write_text(TRUCKS)
    monkeypatch.setenv("FLEETLAKE_CONTRACTS", str(contract))
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    layout = layout_of(tmp_path / "data")
    layout.run.mkdir(parents=True)
    return layout


@pytest.fixture
def running(layout: Layout) -> StackFile:
    """A stack that runs there: its sinks were started without the contract."""
    me = myself()
    sink = ProcessEntry("history", me.pid, me.started, 0, "running")
    topics = load_registry().topics()
    stack = StackFile(
        "127.0.0.1:1", "mongodb://x", "lake", None, me.pid, me.started, StackState.RUNNING, [sink], topics
    )
    stack.write(layout)
    return stack


def what_hinders() -> str | None:
    """As every command asks."""
    settings = Settings()
    found = hindrance(settings, load_registry(settings.contracts))
    return None if found is None else str(found)


@pytest.mark.usefixtures("running")
def test_a_contract_that_came_after_the_sinks_is_a_problem() -> None:
    """For doctor; it says what to do."""
    assert what_hinders() == SENTENCE
    (finding,) = check_sinks(Settings())
    assert finding.verdict is Verdict.WRONG
    assert f"{finding.fact}: {finding.action}" == SENTENCE


def test_sinks_that_were_started_with_it_read_it(layout: Layout, running: StackFile) -> None:
    """Nothing to say."""
    replace(running, topics=load_registry(Settings().contracts).topics()).write(layout)
    assert what_hinders() is None
    assert list(check_sinks(Settings())) == []


def test_a_stack_file_of_an_earlier_version_says_nothing_of_topics(
    layout: Layout, running: StackFile
) -> None:
    """It is read, and nothing is claimed."""
    values = json.loads(layout.stack_file.read_text())
    del values["topics"]
    layout.stack_file.write_text(json.dumps(values))
    assert what_hinders() is None


def test_a_stack_without_sinks_is_noted(layout: Layout, running: StackFile) -> None:
    """It was wanted so: no problem for doctor, but whoever waits should know."""
    replace(running, processes=(), topics=None).write(layout)
    assert str(what_hinders()).startswith("no sink runs")
    (finding,) = check_sinks(Settings())
    assert finding.verdict is Verdict.NOTE


def test_of_another_kafka_nothing_is_known(running: StackFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads there is not the stack's business; nor is a stack that has ended."""
    monkeypatch.setenv("FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS", "elsewhere:9092")
    assert what_hinders() is None


def test_a_stack_that_has_ended_hinders_nobody(layout: Layout, running: StackFile) -> None:
    """Its file may outlive it."""
    replace(running, started=running.started - 100).write(layout)
    assert what_hinders() is None


@pytest.mark.usefixtures("running")
def test_wait_and_status_say_it() -> None:
    """In the message of the one, below the table of the other."""
    settings = Settings()
    found = hindrance(settings, load_registry(settings.contracts))
    error = StillBehind(2, {"history": {TopicPartition("trucks.v1", 2): 3}}, found)
    assert str(error).endswith(f"history: 3 messages (trucks.v1/2 3); {SENTENCE}")
    status: Status = {
        "state": "running",
        "data_dir": "x",
        "kafka": "k",
        "mongo": "m",
        "lake": "l",
        "lake_endpoint": None,
        "dagster": None,
        "gateway": None,
        "api": None,
        "processes": [],
        "lag": None,
        "rates": {},
        "problem": None,
        "hindrance": str(found),
    }
    assert render(status).endswith(SENTENCE)


@pytest.mark.slow
def test_up_writes_what_its_sinks_were_started_with(
    stack: "StackUnderTest", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one, asked with a contract that came later: doctor fails, status says it."""
    stack.up()
    assert stack.file.topics == load_registry().topics()
    contract = tmp_path / "trucks.yml"
    contract.write_text(TRUCKS)
    monkeypatch.setenv("FLEETLAKE_CONTRACTS", str(contract))
    assert stack.command("topics", "create").returncode == 0
    assert SENTENCE in stack.command("status").stdout
    assert stack.command("doctor").returncode == 1
