"""Vehicles drive while an audit looks: between its look at Kafka and its reading of the state, too."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fleetlake.audit.proofs import state_proof
from lake.state import StateStore
from lake.state_model import VehicleState
from tests.fleetlake.audit.audited import Stack, entry_of

BeforeTheStateIsRead = Callable[[Callable[[], None]], None]


@pytest.fixture
def before_the_state_is_read(monkeypatch: pytest.MonkeyPatch) -> BeforeTheStateIsRead:
    """Has something happen when an audit has taken its first look at Kafka and comes to the state."""
    read_all = StateStore.read_all

    def install(happens: Callable[[], None]) -> None:
        def later(self: StateStore, **how: Any) -> Iterator[VehicleState]:
            happens()
            return read_all(self, **how)

        monkeypatch.setattr(StateStore, "read_all", later)

    return install


def test_what_the_state_has_read_since_the_first_look_is_no_fault(
    landed: Stack, before_the_state_is_read: BeforeTheStateIsRead
) -> None:
    """Of the whole audit, and of the proof that looks at nothing but the state."""

    def traffic() -> None:
        landed.send(10)
        landed.run_sinks("state")

    before_the_state_is_read(traffic)
    report = landed.audit()
    assert [problem.line for problem in report.findings.problems] == []
    assert (report.state.values, report.state.in_motion) == (5, 5)
    proof = state_proof(landed.kafka, landed.mongo, landed.lake, landed.registry)
    assert (proof.wrong, proof.rows, proof.unknown) == (0, [], None)
    assert proof.covered.endswith("5 of them under way")


def test_a_wrong_value_behind_the_first_look_is_named(
    landed: Stack, before_the_state_is_read: BeforeTheStateIsRead
) -> None:
    """One that Kafka has otherwise, and one from behind the log's end of now; traffic excuses neither."""

    def traffic() -> None:
        landed.send(10)
        landed.run_sinks("state")
        landed.write_state("v0", "speed", entry_of(landed, "v0") | {"v": 77.5})
        landed.write_state("v1", "speed", entry_of(landed, "v1") | {"o": 25})

    before_the_state_is_read(traffic)
    report = landed.audit()
    assert [(problem.kind, problem.where) for problem in report.findings.problems] == [
        ("state_differs", "vehicle v0, speed"),
        ("state_differs", "vehicle v1, speed"),
    ]
    assert report.state.in_motion == 3
