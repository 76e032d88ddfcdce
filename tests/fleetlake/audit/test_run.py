"""The audit on real servers: clean where all is well, and each fault that is made here must be named."""

import threading
from collections.abc import Callable

import pytest

from ingest import history_run, routes_run, state_run
from ingest.process import Stop
from lake.storage import wait_ready
from tests.fleetlake.audit.audited import Stack


def test_a_clean_stack_has_no_problem(landed: Stack) -> None:
    """Every number of the report is what was sent."""
    report = landed.audit()
    assert report.findings.problems == []
    assert report.is_ok
    assert [(each.name, each.rows, each.first_offset, each.last_offset) for each in report.partitions] == [
        (f"{landed.topic}/0", 20, 0, 19),
        (f"{landed.topic}/1", 20, 0, 19),
    ]
    assert [each.compared for each in report.partitions] == [20, 20]
    assert [each.not_landed for each in report.partitions] == [0, 0]
    assert (report.state.vehicles, report.state.values, report.state.in_motion) == (5, 5, 0)
    (letters,) = report.dead_letters
    assert (letters.rejected, letters.letters) == (3, 3)


def test_an_empty_stack_has_no_problem(stack: Stack) -> None:
    """Nothing sent, nothing run; and a table that exists but has no rows."""
    wait_ready(stack.lake)
    assert stack.audit().is_ok
    stack.run_sinks()
    assert stack.audit().is_ok


def test_what_is_not_landed_yet_is_said_and_no_fault(landed: Stack) -> None:
    """History may be behind: the distance is in the report."""
    landed.send(10)
    report = landed.audit()
    assert report.is_ok
    assert sum(each.not_landed for each in report.partitions) == 10
    assert report.state.not_read == 10


@pytest.mark.parametrize("ahead", ["history", "state", "routes"])
def test_sinks_that_are_apart_are_no_fault(landed: Stack, ahead: str) -> None:
    """What one of them cannot know yet is looked up in Kafka."""
    landed.send(20, bad=2)
    landed.run_sinks(ahead)
    report = landed.audit()
    assert report.findings.problems == []
    assert (report.state.in_motion > 0) == (ahead != "routes")


@pytest.mark.slow
def test_audits_beside_traffic_are_clean(stack: Stack) -> None:
    """All sinks run, messages come, one in ten is broken; whatever moment an audit looks at is in order."""
    stop, failures = Stop(), []

    def run_sink(sink: Callable[[], None]) -> None:
        try:
            sink()
        except Exception as failure:  # noqa: BLE001 - told by the test's thread
            failures.append(failure)

    ingest = stack.ingest.model_copy(update={"commit_seconds": 0.5})
    sinks = [
        lambda: history_run.run(stack.kafka, stack.lake, ingest, stack.registry, stop=stop),
        lambda: state_run.run(stack.kafka, stack.mongo, ingest, stack.registry, stop=stop),
        lambda: routes_run.run(stack.kafka, ingest, stack.registry, stop=stop),
    ]
    threads = [threading.Thread(target=run_sink, args=(sink,)) for sink in sinks]
    for thread in threads:
        thread.start()
    reports = []
    for _ in range(6):
        for _ in range(10):
            stack.send(30, bad=3)
        reports.append(stack.audit())
    stop.request()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert [problem.line for report in reports for problem in report.findings.problems] == []
    assert any(report.state.in_motion or report.state.not_read for report in reports)
    stack.run_sinks()
    last = stack.audit()
    assert last.is_ok
    assert (sum(each.rows for each in last.partitions), last.state.in_motion) == (1800, 0)
