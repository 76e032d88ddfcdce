"""What a bulk of upserts does: all that can be written is, whoever else writes, and what cannot is named."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from threading import Barrier
from typing import Any

import pymongo
import pytest
from pymongo import errors
from pymongo.collection import Collection

from lake.errors import StateRefused
from lake.mongo import DUPLICATE_KEY, RETRYABLE_CODES, Client, open_client
from lake.settings import MongoSettings
from lake.state import StateStore
from lake.state_model import Entry, VehicleState

Vehicles = Collection[dict[str, Any]]

SOME = 300
ROUNDS = 10
IDS = ["", "$set", "a.b.c", "HONDA 231", "zero\0byte", "é😀", "_id", "x" * 2000]


def raising(vehicle: str, **fields: Any) -> pymongo.UpdateOne:
    """The one kind of operation that Fleetlake sends."""
    return pymongo.UpdateOne({"_id": vehicle}, {"$max": fields}, upsert=True)


def at_once(*works: Callable[[], object]) -> list[object]:
    """The results of calls that begin together, each in a thread of its own."""
    start = Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        start.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


def test_an_upsert_makes_the_document_with_its_id(vehicles: Vehicles) -> None:
    """Any text is an id, a text that looks like an operator or a path, too; fields are made on the way."""
    done = vehicles.bulk_write([raising(name, **{"s.speed": {"t": 1}}) for name in IDS], ordered=False)
    assert (done.upserted_count, done.acknowledged) == (len(IDS), True)
    assert {document["_id"]: document["s"] for document in vehicles.find()} == {
        name: {"speed": {"t": 1}} for name in IDS
    }


def test_the_same_again_changes_nothing(vehicles: Vehicles) -> None:
    """A write whose acknowledgement was lost is sent once more."""
    operations = [raising("v", n=3), raising("w", n=1)]
    vehicles.bulk_write(operations, ordered=False)
    again = vehicles.bulk_write(operations, ordered=False)
    assert (again.matched_count, again.modified_count, again.upserted_count) == (2, 0, 0)


def test_the_id_is_unique(vehicles: Vehicles) -> None:
    """By the one index that there is; the code is the one that counts as retryable."""
    vehicles.insert_one({"_id": "v"})
    with pytest.raises(errors.DuplicateKeyError) as refused:
        vehicles.insert_one({"_id": "v"})
    assert refused.value.code == DUPLICATE_KEY
    assert list(vehicles.index_information()) == ["_id_"]


def test_writers_that_meet_on_new_vehicles_lose_nothing(
    client: Client, mongo_settings: MongoSettings
) -> None:
    """Two clients upsert the same new ids at once. MongoDB repeats the loser itself, or refuses it with the
    code of a duplicate key: written again, it is in."""
    with open_client(mongo_settings) as other:
        for number in range(ROUNDS):
            name = f"race{number}"
            here, there = client[mongo_settings.database][name], other[mongo_settings.database][name]
            at_once(partial(write_until_in, here, n=1, a=1), partial(write_until_in, there, n=2, b=1))
            assert {tuple(sorted(document.items()))[1:] for document in here.find()} == {
                (("a", 1), ("b", 1), ("n", 2))
            }
            assert here.count_documents({}) == SOME


def write_until_in(vehicles: Vehicles, **fields: int) -> None:
    """What the writer's patience does."""
    operations = [raising(f"v{number}", **fields) for number in range(SOME)]
    codes: set[int] = set()
    for _ in range(5):
        try:
            vehicles.bulk_write(operations, ordered=False)
        except errors.BulkWriteError as error:
            codes.update(each["code"] for each in error.details["writeErrors"])
        else:
            break
    else:
        pytest.fail(f"refused five times: {codes}")
    assert codes <= RETRYABLE_CODES


def test_one_operation_that_is_refused_stops_no_other(vehicles: Vehicles) -> None:
    """Unordered: those before and behind it are in. The refusal has its code and the operation's filter."""
    vehicles.insert_one({"_id": "damaged", "s": 5})
    operations = [raising(name, **{"s.speed": {"t": 1}}) for name in ("a", "damaged", "b")]
    with pytest.raises(errors.BulkWriteError) as refused:
        vehicles.bulk_write(operations, ordered=False)
    (problem,) = refused.value.details["writeErrors"]
    assert problem["op"]["q"] == {"_id": "damaged"}
    assert problem["code"] not in RETRYABLE_CODES
    assert vehicles.count_documents({"s.speed.t": 1}) == 2


def test_a_document_at_its_limit_is_refused_for_good(mongo_settings: MongoSettings) -> None:
    """16 MiB, whatever the code: it is none of those that are tried again, and the vehicle is named. What a
    state may hold is bounded far below by the catalog and by the size of a message."""
    half = "x" * 9_000_000
    with StateStore(mongo_settings) as store:
        store.write([VehicleState("big", {"a": Entry(1, half, "t/0", 0)})])
        with pytest.raises(StateRefused) as refused:
            store.write(
                [
                    VehicleState("big", {"b": Entry(1, half, "t/0", 0)}),
                    VehicleState("v", {"a": Entry(1, 1.0, "t/0", 0)}),
                ]
            )
        assert (refused.value.vehicles, store.count()) == (("big",), 2)


def test_a_bulk_of_the_largest_size_is_taken(vehicles: Vehicles) -> None:
    """As many vehicles as one write of the sink has, and far more bytes than one message of the protocol."""
    text = "x" * 60_000
    done = vehicles.bulk_write([raising(f"v{number}", a=text) for number in range(1000)], ordered=False)
    assert done.upserted_count == 1000


def test_a_condition_and_its_write_are_one_step(client: Client, mongo_settings: MongoSettings) -> None:
    """The marks rest on it: of two that want the same step from the same number one gets it."""
    with open_client(mongo_settings) as other:
        counters = [each[mongo_settings.database]["counters"] for each in (client, other)]
        counters[0].insert_one({"_id": "c", "n": 0})

        def count(counter: Vehicles) -> int:
            return sum(
                counter.update_one({"_id": "c", "n": number}, {"$inc": {"n": 1}}).modified_count
                for number in range(SOME)
            )

        taken = at_once(*(partial(count, counter) for counter in counters))
        (document,) = counters[0].find()
        assert sum(map(int, map(str, taken))) == document["n"]


def test_a_reader_sees_every_vehicle_once_while_others_write(mongo_settings: MongoSettings) -> None:
    """In the order of ids, whatever is raised and added meanwhile: the audit merges by that order."""
    names = [f"v{number:05}" for number in range(3000)]
    with StateStore(mongo_settings) as store, StateStore(mongo_settings) as other:
        other.write(VehicleState(name, {"speed": Entry(1, 1.0, "t/0", 0)}) for name in names)

        def write() -> None:
            for time in (2, 3):
                other.write(
                    VehicleState(f"{name}{time}", {"speed": Entry(time, "long", "t/0", 0)}) for name in names
                )
                other.write(
                    VehicleState(name, {"speed": Entry(time, "long" * 20, "t/0", 0)}) for name in names
                )

        seen, _ = at_once(lambda: [state.vehicle_id for state in store.read_all()], write)
    assert isinstance(seen, list)
    assert all(before < after for before, after in pairwise(seen))
    assert set(names) <= set(seen)
