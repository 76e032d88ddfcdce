"""The state in MongoDB, on the embedded server."""

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, InvalidOperation, NetworkTimeout, OperationFailure, PyMongoError

from lake.errors import AccessDenied, BadAddress, StateNotWritten, StateRefused, StoreUnavailable
from lake.mongo import open_client, translated, wait_ready
from lake.settings import MongoSettings
from lake.state import StateStore
from lake.state_model import Entry, VehicleState, maximum_order, state_key, state_order

TIMES = st.sampled_from([-62_135_596_800_000_000, -1, 0, 1_761_559_635_000_000, 253_402_300_799_999_999])
TEXTS = st.text(st.characters(codec="utf-8"), max_size=4)
# The embedded server confuses neighbouring doubles beyond 1e128 and below 1e-128, and takes those of about
# 1e-239 for greater than 1: no telemetry has them.
TINY, HUGE = 1e-90, 1e90
NUMBERS = st.floats(-HUGE, HUGE).filter(lambda v: v == 0 or abs(v) > TINY)
NUMBERS |= st.sampled_from([0.0, -0.0, 1.0, 2.0])
ENTRIES = st.builds(
    Entry,
    t=TIMES,
    v=NUMBERS | TEXTS,
    p=st.sampled_from(["a/2", "a/10", "b/0"]),
    o=st.sampled_from([0, 1, 2**31, 2**53 + 1, 2**63 - 1]),
)
VEHICLES = st.sampled_from(["981", "", "$set", "a.b.c", "HONDA 231", "zero\0byte", "é😀", "s"])
KEYS = st.sampled_from(["speed", "gear", state_key("pressure", "a.$b@c"), state_key("pressure", "")])
READINGS = st.lists(st.tuples(VEHICLES, KEYS, ENTRIES), min_size=1, max_size=20)


@pytest.fixture
def store(mongo_settings: MongoSettings) -> Iterator[StateStore]:
    """The state of a database of the test's own."""
    with StateStore(mongo_settings) as opened:
        yield opened
        opened.drop()


def updates_of(readings: list[tuple[str, str, Entry]]) -> list[VehicleState]:
    """One update a reading, which is the least reduced a sink may send."""
    return [VehicleState(vehicle, {key: entry}, {key: entry}, 1) for vehicle, key, entry in readings]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(readings=READINGS, data=st.data())
def test_state_is_the_maximum_of_history_whatever_the_order(
    store: StateStore, readings: list[tuple[str, str, Entry]], data: st.DataObject
) -> None:
    """Any permutation and repetition of the same readings gives what `state_order` says, and no other."""
    arrivals = data.draw(st.permutations(readings + readings[: len(readings) // 2]))
    target = store.at(f"c{uuid.uuid4().hex}")
    cut = len(arrivals) // 2
    target.write(updates_of(arrivals[:cut]))
    target.write(updates_of(arrivals[cut:]))

    for vehicle in {vehicle for vehicle, _, _ in readings}:
        state = target.read(vehicle)
        assert state is not None
        for key in {key for owner, key, _ in readings if owner == vehicle}:
            seen = [entry for owner, name, entry in readings if (owner, name) == (vehicle, key)]
            assert state_order(state.signals[key]) == state_order(max(seen, key=state_order))
            assert maximum_order(state.maxima[key]) == maximum_order(max(seen, key=maximum_order))
    assert target.count() == len({vehicle for vehicle, _, _ in readings})
    target.drop()


def entry(t: int, v: float | str = 1.0, p: str = "t/0", o: int = 0) -> Entry:
    """An entry of which the test names only what matters."""
    return Entry(t, v, p, o)


def test_a_late_event_does_not_rewind_state(store: StateStore) -> None:
    """An older time that arrives later changes nothing, and its siblings are taken."""
    store.write([VehicleState("981", {"speed": entry(200, 25.0)})])
    store.write([VehicleState("981", {"speed": entry(100, 65.0), "soc": entry(100, 99.0)})])
    state = store.read("981")
    assert state is not None
    assert (state.signals["speed"].v, state.signals["soc"].v) == (25.0, 99.0)


def test_a_maximum_remembers_when_it_was_last_reached(store: StateStore) -> None:
    """The greatest value stays however late; of equal ones the latest time."""
    for time, value in ((5, 900.0), (9, 800.0), (7, 900.0), (6, 900.0)):
        store.write([VehicleState("v", {}, {"pressure": entry(time, value)})])
    state = store.read("v")
    assert state is not None
    assert state.maxima == {"pressure": entry(7, 900.0)}
    assert not state.signals


def test_negative_zero_is_written_as_zero(store: StateStore) -> None:
    """Otherwise two equal values would differ on screen by order of arrival."""
    store.write([VehicleState("v", {"speed": entry(1, -0.0)})])
    state = store.read("v")
    assert state is not None
    assert str(state.signals["speed"].v) == "0.0"


def test_the_written_time_never_goes_back(store: StateStore) -> None:
    """Of two writers with different clocks the later time is shown."""
    for written in (50, 40):
        store.write([VehicleState("v", {"speed": entry(1)}, written_us=written)])
    state = store.read("v")
    assert state is not None
    assert state.written_us == 50


def test_a_vehicle_without_signals_has_no_state(store: StateStore) -> None:
    """Unknown signals alone make no document."""
    assert store.write([VehicleState("ghost", {}, {}, 1)]) == 0
    assert store.read("ghost") is None
    assert store.count() == 0


def test_all_vehicles_come_in_the_order_of_their_utf8_bytes(store: StateStore) -> None:
    """A reader can merge them with another source sorted the same way, whatever the ids."""
    names = ["b", "a", "", "$x", "é", "\uffff", "😀", "10", "9", *(f"v{i:04}" for i in range(2500))]
    store.write(VehicleState(name, {"speed": entry(1)}) for name in names)
    assert [state.vehicle_id for state in store.read_all()] == sorted(names, key=str.encode)


def test_a_projection_reads_only_the_signals_asked_for(store: StateStore) -> None:
    """Other signals and the maxima are left out; the vehicle is not."""
    store.write([VehicleState("v", {"speed": entry(1), "soc": entry(2)}, {"speed": entry(1)}, 7)])
    (state,) = store.read_all(["soc"])
    assert state == VehicleState("v", {"soc": entry(2)}, {}, 7)


def test_read_many_leaves_out_vehicles_that_are_not_there(store: StateStore) -> None:
    """Absence is not an error."""
    store.write([VehicleState("a", {"speed": entry(1)})])
    assert set(store.read_many(["a", "b"])) == {"a"}


def test_a_rebuilt_collection_takes_the_place_of_the_old_one(store: StateStore) -> None:
    """A wrong value that `$max` could never lower is gone after the swap, and so is the working copy."""
    store.write([VehicleState("v", {"speed": entry(9, 999.0)}), VehicleState("ghost", {"speed": entry(1)})])
    rebuilt = store.at("vehicle_state_rebuild")
    rebuilt.write([VehicleState("v", {"speed": entry(5, 50.0)})])
    assert store.replace_with(rebuilt)
    assert [(state.vehicle_id, state.signals["speed"].v) for state in store.read_all()] == [("v", 50.0)]
    assert rebuilt.count() == 0


def test_nothing_takes_the_place_of_the_state(store: StateStore) -> None:
    """A working copy that somebody removed just before the swap does not take the state with it."""
    store.write([VehicleState("v", {"speed": entry(9)})])
    assert not store.replace_with(store.at("vehicle_state_rebuild"))
    assert store.count() == 1


def test_people_read_flat_documents(store: StateStore, mongo_settings: MongoSettings) -> None:
    """`vehicle_latest` has a field per signal, times as dates, and survives the swap of a rebuild."""
    store.ensure_view()
    store.ensure_view()
    store.write(
        [VehicleState("v", {"speed": entry(1_000_000, 5.5), "gear": entry(2_500_999, "D")}, {}, 4000)]
    )
    with open_client(mongo_settings) as client:
        view = client[mongo_settings.database]["vehicle_latest"]
        (row,) = view.find()
        times = [row.pop(name).timestamp() for name in ("last_time", "written_time")]
        assert row == {"_id": "v", "vehicle_id": "v", "speed": 5.5, "gear": "D"}
        assert [round(time % 86400, 3) for time in times] == [2.5, 0.004]
        rebuilt = store.at("other")
        rebuilt.write([VehicleState("w", {"speed": entry(1)})])
        store.replace_with(rebuilt)
        assert [row["_id"] for row in view.find()] == ["w"]


def test_an_absent_server_is_one_readable_transient_error(mongo_settings: MongoSettings) -> None:
    """Writers retry it; a start waits for it no longer than asked."""
    away = MongoSettings(
        uri="mongodb://127.0.0.1:1/?directConnection=true", timeout_s=0.2, ready_timeout_s=0.3
    )
    with StateStore(away) as store, pytest.raises(StoreUnavailable) as problem:
        store.write([VehicleState("v", {"speed": entry(1)})])
    assert "127.0.0.1:1" in str(problem.value)
    with pytest.raises(StoreUnavailable):
        wait_ready(away)
    wait_ready(mongo_settings)


def test_a_vehicle_that_cannot_be_written_is_named_and_the_others_are_in(store: StateStore) -> None:
    """One document beyond MongoDB's limit does not take its neighbours' values with it."""
    half = "x" * 9_000_000
    store.write([VehicleState("big", {"a": entry(1, half)})])
    with pytest.raises(StateRefused) as refused:
        store.write([VehicleState("big", {"b": entry(1, half)}), VehicleState("v", {"speed": entry(1)})])
    assert refused.value.vehicles == ("big",)
    assert store.read("v") is not None


@pytest.mark.parametrize(
    ("code", "expected"), [(11000, StateNotWritten), (91, StateNotWritten), (2, StateRefused)]
)
def test_what_a_retry_can_mend_is_told_from_what_it_cannot(
    store: StateStore, monkeypatch: pytest.MonkeyPatch, code: int, expected: type[Exception]
) -> None:
    """Two writers that meet on a new vehicle, a server that shuts down; and a value no server takes."""

    def fail(*_: object, **__: object) -> None:
        failed = {"code": code, "errmsg": "no", "op": {"q": {"_id": "v"}}}
        raise BulkWriteError({"writeErrors": [failed], "writeConcernErrors": []})

    monkeypatch.setattr(Collection, "bulk_write", fail)
    with pytest.raises(expected):
        store.write([VehicleState("v", {"speed": entry(1)})])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationFailure("no", 18), AccessDenied),
        (OperationFailure("no", 13435), StoreUnavailable),
        (NetworkTimeout("no"), StoreUnavailable),
        (InvalidOperation("closed"), StoreUnavailable),
        (OperationFailure("no", 72), StateRefused),
    ],
)
def test_an_answer_of_the_server_has_a_meaning(
    mongo_settings: MongoSettings, error: PyMongoError, expected: type[Exception]
) -> None:
    """By code and type, never by its text."""
    with open_client(mongo_settings) as client:
        assert isinstance(translated(client, error), expected)


def test_an_address_that_is_none_is_refused() -> None:
    """Before anything waits for it."""
    with pytest.raises(BadAddress):
        StateStore(MongoSettings(uri="http://127.0.0.1"))
