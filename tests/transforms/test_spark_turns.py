"""DuckDB and Spark take turns on one lake: nothing is added twice, nothing newer is replaced, and what a
killed run has written is not seen."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.load import load_registry
from lake.gold import GoldMoved
from lake.settings import LakeSettings
from lake.silver import Lane, SilverMoved
from lake.vacuum import removable
from tests.transforms.payload_lake import PayloadLake, contracts, message
from tests.transforms.small_lake import NOON, SIGNALS, Lake, speed
from tests.transforms.spark_lake import on_spark, runs_spark
from transforms.build import Marts, build
from transforms.increment import Increment, increment
from transforms.load import load_models
from transforms.plan import plan
from transforms.redecode import Redecode
from transforms.reference import reference
from transforms.settings import TransformSettings

pytestmark = runs_spark

MODELS = load_models()
MINUTES = MODELS["gold.signal_minute"]
DAY, DAY_BEFORE = NOON.date().isoformat(), (NOON - timedelta(days=1)).date().isoformat()


class Killed(BaseException):
    """As if the process had ended."""


def kill() -> None:
    raise Killed


class Turns(Lake):
    """A lake on which either engine works."""

    def by(self, engine: str, lane: Lane, before_commit: Callable[[], object] = lambda: None) -> Increment:
        settings = self.settings if engine == "duckdb" else on_spark(self.settings)
        return increment(settings, SIGNALS, lane, before_commit)

    def marts(self, engine: str) -> Marts:
        settings = self.settings if engine == "duckdb" else on_spark(self.settings)
        return Marts(settings, MODELS, reference(load_registry()), TransformSettings())


@pytest.fixture
def lake(lake_settings: LakeSettings) -> Iterator[Turns]:
    return Turns(lake_settings)


@pytest.mark.local_lake
def test_increments_of_both_engines_add_each_reading_once(lake: Turns, tmp_path: Path) -> None:
    """Late ones, and ones that are sent again to the other engine: silver is what one engine alone makes."""
    alone = Turns(LakeSettings(uri=str(tmp_path / "alone")))
    sent = [
        [[speed(1)], [speed(2, days_before=1)], [speed(3, days_before=5)]],
        [
            [speed(1)],
            [speed(4)],
            [speed(3, days_before=5)],
            [speed(5, days_before=9), ("V1", "gear", NOON, "P")],
        ],
        [[speed(4)], [speed(6, vehicle="V2")], [speed(2, days_before=1)]],
    ]
    for engine, messages in zip(("duckdb", "spark", "duckdb"), sent, strict=True):
        for each, by in ((lake, engine), (alone, "duckdb")):
            each.land(*messages)
            found = [each.by(by, lane) for lane in Lane]
            assert [one.is_whole for one in found] == [messages is sent[0]] * 2
    everything = ", ".join(f'"{name}"' for name in SIGNALS.columns.names)
    assert lake.silver(everything) == alone.silver(everything)
    assert lake.increment() == [0, 0]


def test_a_replayed_increment_adds_nothing(lake: Turns) -> None:
    """The lane says in silver's own commit how far it has read, whichever engine asks."""
    lake.land([speed(1)], [speed(2, days_before=3)])
    assert [lake.by("spark", lane).added for lane in Lane] == [1, 1]
    for engine in ("spark", "duckdb"):
        assert [lake.by(engine, lane).added for lane in Lane] == [0, 0]
    lake.bronze.optimize.compact()
    assert [lake.by("spark", lane).added for lane in Lane] == [0, 0]
    assert lake.silver("value") == [(1,), (2,)]


@pytest.mark.parametrize(("first", "second"), [("duckdb", "spark"), ("spark", "duckdb")])
def test_of_two_writers_one_is_refused(lake: Turns, first: str, second: str) -> None:
    """Of either engine; nothing is left of what it wrote."""
    lake.land([speed(1)])
    with pytest.raises(SilverMoved):
        lake.by(second, Lane.HOT, before_commit=lambda: lake.by(first, Lane.HOT))
    assert lake.silver("value") == [(1,)]
    assert lake.by(second, Lane.HOT).added == 0


@pytest.mark.local_lake
def test_a_run_that_is_killed_before_its_commit_leaves_no_row(lake: Turns) -> None:
    """Its files are there, unseen, and vacuum removes them; the next run does it all."""
    lake.land([speed(1)])
    lake.by("duckdb", Lane.HOT)
    lake.land([speed(2)])
    with pytest.raises(Killed):
        lake.by("spark", Lane.HOT, before_commit=kill)
    assert lake.silver("value") == [(1,)]
    written = list(Path(lake.settings.uri, "silver", "signals").glob("spark-*/*/*.parquet"))
    assert written
    assert lake.by("spark", Lane.HOT).added == 1
    assert lake.silver("value") == [(1,), (2,)]
    long_ago = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    os.utime(written[0], (long_ago, long_ago))
    assert removable(lake.settings, "silver.signals", datetime.now(UTC)) == [
        str(written[0].relative_to(Path(lake.settings.uri, "silver", "signals")))
    ]


def test_a_corrected_contract_counts_on_spark_too(lake_settings: LakeSettings, tmp_path: Path) -> None:
    """Messages by the corrected one are read by Spark; those that a sink with the former contract still lands
    are decoded anew."""
    wrong, right = contracts(tmp_path, unit="km/h"), contracts(tmp_path, unit="mph")
    lake = PayloadLake(lake_settings)
    lake.land(wrong, message(10))
    lake.increment(wrong)
    Redecode(lake.settings, SIGNALS, right, ("mine",)).run()
    for minute, (sink, value) in enumerate(((right, 20), (wrong, 30), (right, 40)), start=1):
        lake.land(sink, message(value, minute=minute))
        assert increment(on_spark(lake.settings), SIGNALS, Lane.HOT, registry=right).added == 1
    assert [round(value, 3) for (value,) in lake.silver("value")] == [16.093, 32.187, 48.28, 64.374]


def test_what_spark_has_built_is_replaced_by_duckdb_and_the_reverse(lake: Turns) -> None:
    """Whole days, in one commit; a day that nobody asked for stays."""
    lake.land([speed(1)], [speed(2, days_before=1)])
    lake.increment()
    assert build(lake.marts("spark"), MINUTES).rows == {DAY_BEFORE: 1, DAY: 1}
    assert plan(lake.marts("duckdb")).get(MINUTES.name) is None
    for engine, value in (("duckdb", 3), ("spark", 4), ("duckdb", 5)):
        lake.land([("V1", "speed", NOON + timedelta(minutes=value), float(value))])
        lake.increment()
        assert build(lake.marts(engine), MINUTES).rows == {DAY: value - 1}
    assert lake._rows(MINUTES.name, "last_value") == [(1,), (2,), (3,), (4,), (5,)]


@pytest.mark.parametrize(("first", "second"), [("duckdb", "spark"), ("spark", "duckdb")])
def test_an_older_result_never_replaces_a_newer_one(lake: Turns, first: str, second: str) -> None:
    """The build that was overtaken is refused."""
    lake.land([speed(1)])
    lake.increment()

    def overtake() -> None:
        lake.land([speed(2)])
        lake.increment()
        build(lake.marts(first), MINUTES)

    with pytest.raises(GoldMoved):
        build(lake.marts(second), MINUTES, before_commit=overtake)
    assert lake._rows(MINUTES.name, "readings") == [(2,)]
    assert plan(lake.marts(second)).get(MINUTES.name) is None


def test_a_build_that_is_killed_before_its_commit_leaves_what_was(lake: Turns) -> None:
    """The day is due as before."""
    lake.land([speed(1)])
    lake.increment()
    build(lake.marts("duckdb"), MINUTES)
    lake.land([speed(2)])
    lake.increment()
    with pytest.raises(Killed):
        build(lake.marts("spark"), MINUTES, before_commit=kill)
    assert lake._rows(MINUTES.name, "readings") == [(1,)]
    assert plan(lake.marts("spark"))[MINUTES.name] == [DAY]


def test_a_model_with_other_columns_begins_anew(lake: Turns) -> None:
    """What the old one made is gone with the first build, in one commit as ever."""
    lake.land([speed(1)], [speed(2, days_before=1)])
    lake.increment()
    build(lake.marts("duckdb"), MINUTES)
    columns = {name: column for name, column in MINUTES.about.columns.items() if name != "average"}
    about = MINUTES.about.model_copy(update={"columns": columns})
    sql = f"select * exclude (average) from (\n{MINUTES.sql}\n)"  # noqa: S608 - the model's own
    fewer = replace(MINUTES, sql=sql, about=about)
    assert build(lake.marts("spark"), fewer, [DAY]).rows == {DAY: 1}
    assert [len(row) for row in lake._rows(MINUTES.name, "*")] == [len(columns)]
    assert build(lake.marts("spark"), fewer).rows == {DAY_BEFORE: 1}
    assert lake._rows(MINUTES.name, "last_value") == [(1,), (2,)]


def test_a_lake_in_s3_is_read_and_written(s3_lake_settings: LakeSettings) -> None:
    """By the same credential; the other engine goes on there."""
    lake = Turns(s3_lake_settings)
    lake.land([speed(1)], [speed(2, days_before=5)])
    assert [lake.by("spark", lane).added for lane in Lane] == [1, 1]
    lake.land([speed(1)], [speed(3)])
    found = lake.by("spark", Lane.HOT)
    assert (found.added, found.is_whole) == (1, False)
    assert lake.by("duckdb", Lane.LATE).added == 0
    build(lake.marts("spark"), MINUTES)
    assert lake._rows(MINUTES.name, "last_value") == [(2,), (3,)]
    assert plan(lake.marts("duckdb")).get(MINUTES.name) is None
