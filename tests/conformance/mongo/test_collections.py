"""Collections as the rebuild and the marks use them: their identity, the swap, the view for people."""

from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import pytest
from pymongo import errors
from pymongo.collection import Collection

from lake.errors import AccessDenied, StateNotWritten, StoreUnavailable
from lake.mongo import NAMESPACE_EXISTS, NAMESPACE_NOT_FOUND, Client
from lake.settings import MongoSettings
from lake.state import StateStore
from lake.state_marks import StateMarks
from lake.state_model import Entry, VehicleState
from lake.state_view import LATEST_VIEW

Vehicles = Collection[dict[str, Any]]

MANY = 3000
FLEET = 300


@pytest.fixture
def store(mongo_settings: MongoSettings) -> Iterator[StateStore]:
    """The state of the test's own database."""
    with StateStore(mongo_settings) as opened:
        yield opened


def fill(store: StateStore, count: int, time: int) -> None:
    """Vehicles that all have the same time."""
    store.write(
        VehicleState(f"v{number:05}", {"speed": Entry(time, 1.0, "t/0", 0)}) for number in range(count)
    )


def identity(vehicles: Vehicles) -> bytes:
    """The UUID that MongoDB lists."""
    (found,) = vehicles.database.list_collections(filter={"name": vehicles.name})
    return bytes(found["info"]["uuid"])


def test_a_collection_has_an_identity_that_writes_do_not_change(vehicles: Vehicles) -> None:
    """16 bytes; of a new collection under the old name it is another one."""
    vehicles.insert_one({"_id": "v"})
    before = identity(vehicles)
    vehicles.update_one({"_id": "v"}, {"$max": {"n": 1}})
    assert len(before) == 16
    assert identity(vehicles) == before
    vehicles.drop()
    vehicles.insert_one({"_id": "v"})
    assert identity(vehicles) != before


def test_a_swap_gives_the_name_another_identity(mongo_settings: MongoSettings, store: StateStore) -> None:
    """MongoDB takes the renamed collection's; that is how a running sink learns of a rebuild."""
    fill(store, 1, time=1)
    with StateMarks(mongo_settings, "g") as marks:
        before = marks.collection_id()
        fill(store.at("working"), 1, time=2)
        assert store.replace_with(store.at("working"))
        assert marks.collection_id() != before


def test_readers_see_the_old_or_the_new_collection_and_nothing_between(store: StateStore) -> None:
    """Rename with `dropTarget` is one step: a count and a vehicle are there at any moment."""
    fill(store, 10, time=0)
    done, seen = Event(), list[tuple[int, bool]]()

    def look() -> None:
        while not done.is_set():
            seen.append((store.count(), store.read("v00003") is not None))

    reader = Thread(target=look)
    reader.start()
    for time in range(1, 6):
        working = store.at(f"working{time}")
        fill(working, 10 + time, time)
        assert store.replace_with(working)
    done.set()
    reader.join()
    assert all(count >= 10 and is_there for count, is_there in seen)
    assert store.count() == 15


@pytest.mark.slow
def test_a_swap_under_writes_leaves_one_document_a_vehicle(
    store: StateStore, mongo_settings: MongoSettings
) -> None:
    """MongoDB by itself, the embedded server once its doubles are united; later writes find it."""
    done = Event()
    fill(store, FLEET, time=0)

    def write() -> None:
        with StateStore(mongo_settings) as own:
            while not done.is_set():
                try:
                    fill(own, FLEET, time=1)
                except StateNotWritten:  # two upserts of one vehicle met
                    continue

    writer = Thread(target=write)
    writer.start()
    for time in range(2, 5):
        fill(store.at("working"), FLEET, time)
        assert store.replace_with(store.at("working"))
        store.unite_doubles()
    done.set()
    writer.join()
    assert store.unite_doubles() == 0
    fill(store, FLEET, time=9)
    assert [state.signals["speed"].t for state in store.read_all()] == [9] * FLEET


def test_a_reader_that_is_overtaken_by_a_swap_may_try_again(store: StateStore) -> None:
    """It reads the old collection to its end, or is told that it is gone: never half of each."""
    fill(store, MANY, time=1)
    fill(store.at("working"), MANY, time=2)
    reading = store.read_all()
    times = {next(reading).signals["speed"].t}
    assert store.replace_with(store.at("working"))
    try:
        rest = [state.signals["speed"].t for state in reading]
    except StoreUnavailable:
        rest = []
    else:
        assert len(rest) == MANY - 1
    assert times.union(rest) == {1}
    assert {state.signals["speed"].t for state in store.read_all()} == {2}


def test_renaming_what_is_not_there_is_told_by_code(client: Client, vehicles: Vehicles) -> None:
    """And the target stays."""
    vehicles.insert_one({"_id": "v"})
    with pytest.raises(errors.OperationFailure) as refused:
        vehicles.database["nothing"].rename(vehicles.name, dropTarget=True)
    assert refused.value.code == NAMESPACE_NOT_FOUND
    assert vehicles.count_documents({}) == 1


def test_dropping_what_is_not_there_is_no_error(vehicles: Vehicles) -> None:
    """A repetition after a lost answer."""
    vehicles.drop()
    vehicles.insert_one({"_id": "v"})
    vehicles.drop()
    vehicles.drop()
    assert vehicles.database.list_collection_names(filter={"name": vehicles.name}) == []


def test_creating_what_is_there_changes_nothing(vehicles: Vehicles) -> None:
    """It is taken for the same, or refused by code."""
    vehicles.insert_one({"_id": "v"})
    before = identity(vehicles)
    refusals: list[int | None] = []
    try:
        vehicles.database.create_collection(vehicles.name, check_exists=False)
    except errors.OperationFailure as error:
        refusals.append(error.code)
    assert refusals in ([], [NAMESPACE_EXISTS])
    assert (identity(vehicles), vehicles.count_documents({})) == (before, 1)


def test_the_view_shows_flat_documents_and_follows_the_swap(client: Client, store: StateStore) -> None:
    """A field per signal, times as dates in milliseconds; every start of a sink makes it once more."""
    view = client[store.settings.database][LATEST_VIEW]
    store.ensure_view()
    store.ensure_view()
    time = 1_761_559_635_123_999
    store.write(
        [VehicleState("v", {"speed": Entry(time, 5.5, "t/0", 1), "gear": Entry(5, "D", "t/0", 0)}, {}, time)]
    )
    store.write([VehicleState("m", {}, {"speed": Entry(time, 5.5, "t/0", 1)}, time)])
    row, empty = view.find().sort("_id", -1)
    moments = [int(row.pop(name).timestamp() * 1000) for name in ("last_time", "written_time")]
    assert moments == [time // 1000, time // 1000]
    assert row == {"_id": "v", "vehicle_id": "v", "speed": 5.5, "gear": "D"}
    assert (empty["_id"], empty["last_time"]) == ("m", None)
    fill(store.at("working"), 1, time=7)
    assert store.replace_with(store.at("working"))
    assert [found["_id"] for found in view.find()] == ["v00000"]


@pytest.mark.real_mongo
def test_a_view_of_before_is_brought_up_to_date(client: Client, store: StateStore) -> None:
    """The embedded server accepts `collMod` of a view and changes nothing."""
    view = client[store.settings.database][LATEST_VIEW]
    view.database.create_collection(LATEST_VIEW, check_exists=False, viewOn="elsewhere", pipeline=[])
    store.ensure_view()
    fill(store, 1, time=7)
    assert [found["vehicle_id"] for found in view.find()] == ["v00000"]


def test_a_wrong_password_is_told_by_code(mongo_settings: MongoSettings) -> None:
    """Access denied is for the operator: no retry helps. A server without users refuses them as well."""
    _, _, server = mongo_settings.uri.rpartition("@")
    address = f"mongodb://nobody:wrong@{server.removeprefix('mongodb://')}"
    with (
        StateStore(mongo_settings.model_copy(update={"uri": address})) as store,
        pytest.raises(AccessDenied),
    ):
        store.count()
