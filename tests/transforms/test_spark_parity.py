"""Silver and every mart have the same rows whichever engine made them: of a recorded drive of the Twizy,
and of two days of every other source."""

import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from contracts.load import load_registry
from lake.bronze import open_or_create
from lake.query import Warehouse
from lake.settings import LakeSettings
from lake.silver import Lane
from lake.snapshot import snapshot
from lake.storage import wait_ready
from tests.transforms.fleet_day import Topics, messages
from tests.transforms.spark_lake import on_spark, runs_spark
from tests.transforms.twizy import twizy_rows
from transforms.build import Marts, build
from transforms.checks import checks_of, run_checks
from transforms.increment import increment
from transforms.load import load_models
from transforms.model import Model
from transforms.plan import plan
from transforms.reference import reference
from transforms.settings import TransformSettings
from transforms.vehicles import VEHICLES

pytestmark = runs_spark

MODELS = load_models()
SILVER = MODELS["silver.signals"]
SECOND_DRIVE = datetime(2021, 3, 30, tzinfo=UTC)
"""One of the Twizy's days is enough, and of it every fifth message."""


WITHOUT_ROWS = {"gold.parked_drain"}
"""Two days are too short for it: its examples are run on both engines."""


class Both:
    """One history, and two lakes that are made of it, one by each engine, model by model."""

    def __init__(self, folder: Path) -> None:
        self._duck = LakeSettings(uri=str(folder / "duck"))
        self._spark = on_spark(LakeSettings(uri=str(folder / "spark")))
        bronze = open_or_create(wait_ready(self._duck))
        landed = [_first_drive(twizy_rows()), *Topics().landed(messages(vehicles=2, interval_s=240))]
        for rows in landed:
            write_deltalake(bronze, rows, mode="append")
        shutil.copytree(self._duck.uri, self._spark.uri)
        vehicles = _registered(landed)
        self.marts = Marts(self._duck, MODELS, reference(load_registry(), vehicles), TransformSettings())
        self._made: set[str] = set()

    def make(self, model: Model) -> None:
        """The table of a model, and all that it is made of, where they are not there yet."""
        for name in [*(model.reads & MODELS.keys()), model.name]:
            if name not in self._made and name != model.name:
                self.make(MODELS[name])
            elif name not in self._made:
                for each in self._each():
                    _make(each, model)
                self._made.add(name)

    def rows(self, model: Model) -> list[list[dict[str, Any]]]:
        """The rows of both, in order of the model's key."""
        order = ", ".join(f'"{name}"' for name in model.about.key)
        sql = f"select * from {model.name} order by {order}"  # noqa: S608 - our names
        found = []
        for each in self._each():
            with Warehouse(each.lake) as warehouse:
                found.append(warehouse.query(sql).table().to_pylist())
        return found

    def marks(self, model: Model) -> list[dict[str, int]]:
        """What the log says of each partition."""
        return [dict(snapshot(wait_ready(each.lake), model.name).marks) for each in self._each()]

    def findings(self, model: Model) -> list[list[tuple[str, int]]]:
        """How many rows each check finds wrong."""
        parameters = self.marts.settings.parameters()
        return [
            [
                (each.check.name, each.count)
                for each in run_checks(marts, model, checks_of(model), None, parameters)
            ]
            for marts in self._each()
        ]

    def due(self) -> list[dict[str, list[str]]]:
        return [plan(each) for each in self._each()]

    def _each(self) -> tuple[Marts, Marts]:
        return self.marts, replace(self.marts, lake=self._spark)


def _make(marts: Marts, model: Model) -> None:
    if model is SILVER:
        for lane in Lane:
            increment(marts.lake, SILVER, lane)
    else:
        build(marts, model)


def _first_drive(rows: pa.Table) -> pa.Table:
    times = rows["event_time"].to_pylist()
    wanted = [number for number, time in enumerate(times) if time is not None and time < SECOND_DRIVE]
    return rows.take(wanted[::5])


def _registered(landed: list[pa.Table]) -> pa.Table:
    """Every other vehicle, in a time zone that is far away."""
    known = sorted({name for rows in landed for name in rows["vehicle_id"].to_pylist() if name})[::2]
    return pa.Table.from_pylist(
        [
            {"vehicle_id": name, "fleet": "a", "battery_kwh": 22.0, "time_zone": "Pacific/Auckland"}
            for name in known
        ],
        VEHICLES,
    )


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(tmp_path_factory.mktemp("parity"))


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_both_engines_make_the_same_rows(model: Model, both: Both) -> None:
    """And record the same of every partition, so that what one has built is not due for the other."""
    both.make(model)
    by_duck, by_spark = both.rows(model)
    assert by_duck or model.name in WITHOUT_ROWS, "a table without rows shows nothing"
    assert list(_differences(by_duck, by_spark)) == []
    assert len(by_duck) == len(by_spark)
    assert both.marks(model)[0] == both.marks(model)[1]


def test_nothing_is_due_for_either(both: Both) -> None:
    """What is recorded of a day does not tell which engine it was."""
    for model in MODELS.values():
        both.make(model)
    assert both.due() == [{}, {}]


def test_checks_find_the_same(both: Both) -> None:
    """The checks of every table."""
    for model in MODELS.values():
        both.make(model)
        by_duck, by_spark = both.findings(model)
        assert by_duck == by_spark, model.name


def _differences(expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> Iterator[str]:
    for one, other in zip(expected, found, strict=False):
        for name, value in one.items():
            if not _is_same(value, other[name]):
                yield f"{name}: {value!r} by DuckDB, {other[name]!r} by Spark in {other}"


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12) or (
            math.isnan(one) and math.isnan(other)
        )
    return type(one) is type(other) and bool(one == other)
