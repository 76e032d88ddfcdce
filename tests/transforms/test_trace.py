"""Every number of every table can be traced to the messages that it is made of: without them it is another
one or none, and of them alone it is the same."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from contracts.registry import Registry
from fleetlake import cli
from lake.engine import Engine, engine
from lake.query import Warehouse
from lake.schemas import TABLES
from lake.settings import LakeSettings
from lake.storage import wait_ready
from tests.environment import of_lake
from tests.transforms.payload_lake import Message, PayloadLake, contracts
from tests.transforms.small_lake import NOON
from transforms.build import Marts, build
from transforms.load import load_models
from transforms.model import Model
from transforms.plan import gold_models
from transforms.redecode import Redecode
from transforms.reference import Reference, reference
from transforms.settings import TransformSettings
from transforms.trace import NUMBER, Trace

MODELS = load_models()
GOLD = [model for name, model in MODELS.items() if name.startswith("gold.")]
MORNING = NOON - timedelta(hours=8)


def say(time: datetime, **values: Any) -> Message:
    return {"id": "V1", "at": time.isoformat(), "got": time.isoformat(), **values}


def day() -> Iterator[Message]:
    """A vehicle that charges, drives, stands until the afternoon and drives again, too fast for a moment."""
    for minute in range(31):
        yield say(MORNING + timedelta(minutes=minute), c=10 if minute < 30 else 0, s=20 + minute)
    for begin, speed in ((60, 60), (480, 200)):
        for minute in range(6):
            at = MORNING + timedelta(minutes=begin + minute)
            yield say(at, v=speed if minute < 5 else 0, s=49 - minute - begin / 100)
    for minute in range(3):
        yield say(MORNING + timedelta(minutes=90 + minute), p=900_000 + minute % 2)
    yield say(MORNING, v="fast")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return contracts(tmp_path_factory.mktemp("contracts"))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> PayloadLake:
    """The day, landed in the evening; two messages of it were sent again."""
    made = PayloadLake(LakeSettings(uri=str(tmp_path_factory.mktemp("lake"))))
    messages = [*day()]
    made.land(registry, *messages, at=NOON + timedelta(hours=8))
    made.land(registry, *messages[40:42], at=NOON + timedelta(hours=9))
    made.increment(registry)
    return made


@pytest.fixture(scope="module")
def marts(lake: PayloadLake, registry: Registry) -> Marts:
    """All of them built."""
    known = Marts(lake.settings, MODELS, reference(registry), TransformSettings())
    for model in gold_models(known):
        build(known, model)
    return known


def first_row(marts: Marts, model: Model) -> pa.Table:
    with Warehouse(marts.lake) as warehouse:
        return warehouse.query(f"select * from {model.name} order by all").table().slice(0, 1)  # noqa: S608


def traced(marts: Marts, table: str, rows: pa.Table, *, every: bool = False) -> pa.Table:
    with engine(marts.lake) as duck:
        return Trace(marts, wait_ready(marts.lake), duck).messages(table, rows, every=every).read_all()


def made_of(duck: Engine, events: pa.Table, known: Reference) -> dict[str, pa.Table]:
    """What all models make of some rows of bronze."""
    for name, rows in known.tables.items():
        duck.hold(name, rows)
    duck.hold("bronze.events", events)
    given = {**TransformSettings().parameters(), "is_hot": None}
    made = {}
    for model in MODELS.values():
        made[model.name] = duck.select(model.sql, {name: given[name] for name in model.parameters})
        duck.hold(model.name, made[model.name])
    return made


def has(table: pa.Table, row: Mapping[str, Any], columns: list[str]) -> bool:
    return any(all(each[name] == row[name] for name in columns) for each in table.to_pylist())


@pytest.mark.parametrize("model", GOLD, ids=[model.name for model in GOLD])
def test_a_row_is_made_of_the_messages_behind_it(model: Model, lake: PayloadLake, marts: Marts) -> None:
    """Without them it is not the same; of them alone it is, but for how messages came."""
    rows = first_row(marts, model)
    row = rows.to_pylist()[0]
    found = traced(marts, model.name, rows)
    assert found.num_rows > 0
    events = lake.bronze.to_pyarrow_table()
    behind = pc.is_in(events["offset"], found["offset"].combine_chunks())
    steady = [name for name, column in model.about.columns.items() if not column.delivery]
    with engine(lake.settings) as duck:
        assert has(made_of(duck, events, marts.reference)[model.name], row, steady)
        without = made_of(duck, events.filter(pc.invert(behind)), marts.reference)[model.name]
        assert not has(without, row, model.columns.names)
        alone = made_of(duck, events.filter(behind), marts.reference)[model.name]
        assert has(alone, row, steady)


def test_the_messages_of_a_trip_are_as_many_as_its_points(marts: Marts) -> None:
    """From the first to the last one that it names."""
    trips = MODELS["gold.trips"]
    rows = first_row(marts, trips)
    row = rows.to_pylist()[0]
    found = traced(marts, trips.name, rows)
    assert found.num_rows == row["points"] == 6
    assert (found["offset"][0].as_py(), found["offset"][-1].as_py()) == (
        row["first_offset"],
        row["last_offset"],
    )
    assert set(found["source"].to_pylist()) == {"mine"}


def test_messages_that_were_sent_again_are_found_on_demand(marts: Marts) -> None:
    """Silver names the first one only."""
    rows = first_row(marts, MODELS["gold.charging_sessions"])
    assert traced(marts, "gold.charging_sessions", rows).num_rows == 31
    trips = first_row(marts, MODELS["gold.vehicle_day"])
    once, twice = (traced(marts, "gold.vehicle_day", trips, every=every) for every in (False, True))
    assert twice.num_rows == once.num_rows + 2


def test_each_row_has_its_own_messages(marts: Marts) -> None:
    """Numbered as the rows were given."""
    with Warehouse(marts.lake) as warehouse:
        rows = warehouse.query("select * from gold.trips order by start_time desc").table()
    found = traced(marts, "gold.trips", rows)
    assert found[NUMBER].to_pylist() == [1] * 6 + [2] * 6
    assert min(found["offset"].to_pylist()[:6]) > max(found["offset"].to_pylist()[6:])


@pytest.mark.parametrize("model", GOLD, ids=[model.name for model in GOLD])
def test_every_model_says_what_its_rows_are_made_of(model: Model) -> None:
    """Down to tables whose rows name their message."""
    left, seen = [model.name], set[str]()
    while left:
        table = left.pop()
        if table not in TABLES and table not in seen:
            assert MODELS[table].about.trace, table
            left += MODELS[table].about.trace
            seen.add(table)


def test_after_a_correction_the_copies_are_found_by_the_contract_of_now(
    tmp_path_factory: pytest.TempPathFactory, lake_settings: LakeSettings
) -> None:
    """Bronze has other readings of them."""
    lake = PayloadLake(lake_settings)
    wrong, right = (contracts(tmp_path_factory.mktemp("contracts"), unit=unit) for unit in ("km/h", "mph"))
    lake.land(wrong, say(NOON, v=10), say(NOON, v=10))
    lake.increment(wrong)
    Redecode(lake.settings, MODELS["silver.signals"], right, ("mine",)).run()
    with Warehouse(lake.settings) as warehouse:
        rows = warehouse.query("select * from silver.signals").table()
    marts = Marts(lake.settings, MODELS, reference(right), TransformSettings())
    assert traced(marts, "silver.signals", rows, every=True).num_rows == 2


Command = Callable[..., int]


@pytest.fixture
def command(lake: PayloadLake, marts: Marts, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`fleetlake trace` on the lake."""
    for name, value in of_lake(marts.lake).items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: cli.run(["trace", *arguments])


def test_the_command_names_topic_partition_and_offset(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the key of the row, and the payload, whole but in a table."""
    condition = ["--where", "start_time = (select min(start_time) from gold.trips) -- the first"]
    assert command("gold.trips", *condition, "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["offset"] for each in found] == list(range(32, 38))
    assert {(each["topic"], each["partition"], each["source"]) for each in found} == {("mine.v1", 0, "mine")}
    assert found[0]["row"] == {"vehicle_id": "V1", "start_time": "2026-03-10T05:00:00Z"}
    assert json.loads(found[0]["payload"])["v"] == 60
    assert command("gold.trips", "--limit", "1") == 0
    told = capsys.readouterr()
    assert "1 row of gold.trips traced, there are more" in told.err
    assert told.out.count("mine.v1") == 6
    assert "…" in told.out


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["gold.tripss"], 2, "there is no table gold.tripss; there are bronze.events"),
        (["gold.trips", "--where", "vehicle_id = 'V9'"], 1, "no row of gold.trips meets the condition"),
        (["gold.trips", "--where", "speeed > 3"], 1, "speeed"),
        (["gold.trips", "--limit", "0"], 2, "--limit"),
    ],
)
def test_what_cannot_be_traced_is_named(
    command: Command, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, problem: str
) -> None:
    """A wrong table, or a condition that no row meets."""
    assert command(*arguments) == code
    assert problem in capsys.readouterr().err
