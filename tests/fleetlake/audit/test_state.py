"""A value of the state that is not the history's is named by the audit."""

from typing import Any

import pytest

from ingest.state_rebuild import rebuild
from lake.mongo import open_client
from lake.state import StateStore
from lake.state_model import Entry, VehicleState
from tests.fleetlake.audit.audited import BASE_MS, Stack, entry_of


@pytest.mark.parametrize(
    "change",
    [{"v": 999.0}, {"v": -1.0}, {"v": "text"}, {"t": BASE_MS * 2000}, {"t": 5}, {"o": 3}, {"o": 10**6}],
    ids=str,
)
def test_a_changed_state_value_is_named(landed: Stack, change: dict[str, Any]) -> None:
    """Too high, too low, of another type, at another time, from another message."""
    entry = entry_of(landed, "v2")
    landed.write_state("v2", "speed", entry | change)
    (problem,) = landed.audit().findings.problems
    assert (problem.kind, problem.where) == ("state_differs", "vehicle v2, speed")
    assert problem.facts["expected"]["value"] == entry["v"]
    assert problem.facts["found"] != problem.facts["expected"]
    assert str(entry["v"]) in problem.detail


@pytest.mark.parametrize(
    "change",
    [{"s": "x"}, {"s.speed": 5}, {"s.speed.v": None}, {"s.speed.t": 2**61}, {"s.speed.p": 7}],
    ids=str,
)
def test_a_damaged_document_is_named_and_hides_no_other(landed: Stack, change: dict[str, Any]) -> None:
    """Somebody wrote into MongoDB; the audit goes on behind it."""
    landed.write_state("v3", "speed", entry_of(landed, "v3") | {"v": -1.0})
    with open_client(landed.mongo) as client:
        states = client[landed.mongo.database]["vehicle_state"]
        states.update_one({"_id": "v2"}, {"$set": change})
        states.insert_one({"_id": 5})
        states.insert_one({"_id": "ghost"})
    found = landed.problems()
    assert {each for each in found if each[0] == "state_unreadable"} == {
        ("state_unreadable", "vehicle 5"),
        ("state_unreadable", "vehicle ghost"),
        ("state_unreadable", "vehicle v2"),
    }
    assert ("state_differs", "vehicle v3, speed") in found


@pytest.mark.parametrize("place", ["{topic}/0", "{topic}/7", "nowhere/0", "no place"])
def test_a_state_value_from_nowhere_is_named(landed: Stack, place: str) -> None:
    """Also one that claims to come from a message that nobody has landed yet."""
    wrong = Entry(BASE_MS * 1000, 5.0, place.format(topic=landed.topic), 500)
    with StateStore(landed.mongo) as store:
        store.write([VehicleState("v1", {"soc": wrong}), VehicleState("ghost", {"soc": wrong})])
    assert landed.problems() == [
        ("state_without_history", "vehicle ghost, soc"),
        ("state_without_history", "vehicle v1, soc"),
    ]


def test_a_removed_state_value_is_named(landed: Stack) -> None:
    """One signal, or a whole vehicle."""
    landed.write_state("v1", "speed", None)
    landed.remove_vehicle("v3")
    assert landed.problems() == [
        ("state_missing", "vehicle v1, speed"),
        ("state_missing", "vehicle v3, speed"),
    ]
    rebuild(landed.kafka, landed.mongo, landed.lake, landed.registry)
    assert landed.audit().is_ok


def test_a_wrong_value_beside_traffic_is_named(landed: Stack) -> None:
    """Messages on their way excuse only what they explain."""
    landed.send(10)
    landed.run_sinks("state")
    landed.write_state("v0", "speed", entry_of(landed, "v0") | {"v": 77.5})
    assert landed.problems() == [("state_differs", "vehicle v0, speed")]


def test_what_a_restored_copy_of_mongodb_lacks_is_not_read_yet(landed: Stack) -> None:
    """No fault, although the group's offsets say otherwise: the sink goes on where the copy ends."""
    with open_client(landed.mongo) as client:
        names = ("vehicle_state", "_fleetlake")
        copies = {name: list(client[landed.mongo.database][name].find()) for name in names}
        landed.send(20)
        landed.run_sinks()
        for name, copy in copies.items():
            client[landed.mongo.database][name].delete_many({})
            client[landed.mongo.database][name].insert_many(copy)
    report = landed.audit()
    assert report.findings.problems == []
    assert (report.state.not_read, report.state.in_motion > 0) == (20, True)
    landed.run_sinks("state")
    assert landed.audit().state.in_motion == 0
