"""The order in which `$max` compares what the state holds: the whole of the state's correctness rests on it.

MongoDB documents it under "Comparison/Sort Order": values of one type by value, numbers whatever their type
before texts, texts by their bytes, embedded documents field by field in the order they are stored.
"""

from collections.abc import Sequence
from itertools import pairwise, permutations, product
from typing import Any

import pytest
from bson.int64 import Int64
from pymongo.collection import Collection

from lake.state_model import Entry, VehicleState, maximum_order, state_order, update_fields

Vehicles = Collection[dict[str, Any]]

NOW = 1_761_559_635_000_000
TIMES = [-62_135_596_800_000_000, -1, 0, NOW, NOW + 1, 253_402_300_799_999_999]
NUMBERS: list[float] = [
    -1.7976931348623157e308,
    -2.5,
    -1e-90,
    0.0,
    1e-90,
    0.1,
    0.30000000000000004,
    1.0,
    2**53,
    1.8e308 / 2,
]
VALUES: tuple[float | str, ...] = (5.0, "5")
TEXTS = ["", "\x00", "10", "9", "D", "R", "d", "é", "ﬀ", "\uffff", "😀"]
OFFSETS = [0, 9, 10, 2**31, 2**53, 2**53 + 1, 2**63 - 1]
PLACES = ["a/10", "a/2", "a/3", "b/0", "é/0"]


def entry(t: int = NOW, v: float | str = 1.0, p: str = "t/0", o: int = 0) -> Entry:
    """An entry of which the test names only what matters."""
    return Entry(t, v, p, o)


def apply(vehicles: Vehicles, vehicle: str, entries: Sequence[Entry], *, is_maximum: bool = False) -> Entry:
    """Writes one after the other, as the product does, and returns what is kept."""
    for each in entries:
        found = ({}, {"x": each}) if is_maximum else ({"x": each}, {})
        change = {"$max": update_fields(VehicleState(vehicle, *found))}
        vehicles.update_one({"_id": vehicle}, change, upsert=True)
    document = vehicles.find_one({"_id": vehicle})
    assert document is not None
    kept = document["m" if is_maximum else "s"]["x"]
    return Entry(kept["t"], kept["v"], kept["p"], kept["o"])


LADDERS = {
    "the newer time wins, to the microsecond": [entry(t=time, v=-float(at)) for at, time in enumerate(TIMES)],
    "of equal times the greater number": [entry(v=value) for value in NUMBERS],
    "of equal times every text is above every number": [entry(v=1e300), entry(v=""), entry(v="0")],
    "of equal times the greater text by its UTF-8 bytes": [entry(v=text) for text in TEXTS],
    "of equal values the greater place by its bytes": [
        entry(p=place, o=-at) for at, place in enumerate(PLACES)
    ],
    "of equal places the greater offset, exact beyond 2**53": [entry(o=offset) for offset in OFFSETS],
}


@pytest.mark.parametrize("law", LADDERS)
def test_the_greater_of_two_neighbours_is_kept(vehicles: Vehicles, law: str) -> None:
    """Written in both orders; and `state_order` says the same."""
    ladder = LADDERS[law]
    for at, (less, more) in enumerate(pairwise(ladder)):
        assert state_order(less) < state_order(more)
        for upwards, both in enumerate(permutations((less, more))):
            assert apply(vehicles, f"v{at}-{upwards}", both) == more


@pytest.mark.parametrize("is_maximum", [False, True], ids=["latest", "maximum"])
def test_any_order_of_arrival_keeps_the_same(vehicles: Vehicles, *, is_maximum: bool) -> None:
    """Every permutation of readings that tie in time, in value or in both; repetition changes nothing."""
    readings = [entry(t=t, v=v, o=o) for t, v, o in product((1, 2), VALUES, (3,))] + [entry(t=2, v=5.0, o=4)]
    order = maximum_order if is_maximum else state_order
    for number, arrival in enumerate(permutations(readings)):
        kept = apply(vehicles, f"v{number}", [*arrival, *arrival[:2]], is_maximum=is_maximum)
        assert kept == max(readings, key=order)


@pytest.mark.real_mongo
def test_extreme_doubles_have_their_place(vehicles: Vehicles) -> None:
    """The embedded server takes doubles below about 1e-230 for great ones, and confuses neighbours beyond
    1e128 and below 1e-128; no telemetry has them."""
    numbers = (-2.2e-308, -5e-324, 0.0, 5e-324, 2.2e-308, 1e-239, 1e-128, 1.0000000000000002e-128, 1e-90)
    ladder = [entry(v=value) for value in (*numbers, 1e128, 1.0000000000000003e128)]
    for at, (less, more) in enumerate(pairwise(ladder)):
        assert apply(vehicles, f"v{at}", [more, less]) == more
        assert apply(vehicles, f"w{at}", [less, more]) == more


def test_negative_zero_is_zero(vehicles: Vehicles) -> None:
    """They compare as equal, so the first to arrive would stay: only 0.0 is ever written."""
    assert str(apply(vehicles, "v", [entry(v=-0.0)]).v) == "0.0"
    vehicles.update_one({"_id": "w"}, {"$max": {"z": -0.0}}, upsert=True)
    vehicles.update_one({"_id": "w"}, {"$max": {"z": 0.0}})
    (document,) = vehicles.find({"_id": "w"})
    assert str(document["z"]) == "-0.0"


def test_what_is_written_is_read_back_to_the_bit(vehicles: Vehicles) -> None:
    """Doubles, texts with any character, and 64-bit times and offsets; fields keep their order."""
    values: list[float | str] = [*NUMBERS, *TEXTS]
    for number, value in enumerate(values):
        written = entry(t=TIMES[number % len(TIMES)], v=value, o=OFFSETS[number % len(OFFSETS)])
        assert apply(vehicles, f"v{number}", [written]) == written
    (document,) = vehicles.find({"_id": "v0"})
    assert list(document["s"]["x"]) == ["t", "v", "p", "o"]
    assert isinstance(document["s"]["x"]["t"], Int64)


def test_one_update_raises_many_fields_each_on_its_own(vehicles: Vehicles) -> None:
    """A newer speed is taken, an older charge is not, and what the update does not name stays."""
    first = VehicleState(
        "v", {"speed": entry(1), "soc": entry(9), "gear": entry(5)}, {"speed": entry(1, 7.0)}, 50
    )
    second = VehicleState("v", {"speed": entry(2), "soc": entry(8)}, {"speed": entry(2, 6.0)}, 40)
    for update in (first, second):
        vehicles.update_one({"_id": "v"}, {"$max": update_fields(update)}, upsert=True)
    (document,) = vehicles.find({"_id": "v"})
    assert {key: found["t"] for key, found in document["s"].items()} == {"speed": 2, "soc": 9, "gear": 5}
    assert (document["m"]["speed"]["v"], document["u"]) == (7.0, 50)
