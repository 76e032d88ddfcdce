"""The project's own SQL can be said in Spark's words, and its texts of numbers are DuckDB's."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from hypothesis import example, given
from hypothesis import strategies as st
from sqlglot import exp

from lake.engine import Engine, engine
from lake.settings import LakeSettings
from transforms.build import _within
from transforms.checks import checks_of
from transforms.increment import _unknown
from transforms.load import SOURCES, load_models
from transforms.model import Model
from transforms.spark_form import TEXT_OF_NUMBER
from transforms.spark_sql import register, to_spark
from transforms.statement import parse

MODELS = load_models()
TABLES = {**SOURCES, **{model.name: model.columns for model in MODELS.values()}}


def _own_statements(model: Model) -> dict[str, str]:
    """All that is asked by the model and of its table."""
    own = {"model": model.sql, "within": _within(model, "2026-01-01")}
    shown = {step for example in model.about.examples for step in example.steps}
    own |= {f"step {step}": parse(model.sql).step(step) for step in shown}
    return own | {f"check {check.name}": check.sql for check in checks_of(model)}


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_the_projects_own_sql_can_be_said(model: Model) -> None:
    """Every model with its steps and checks, of the same tables and parameters, and nulls come last."""
    for name, sql in _own_statements(model).items():
        found = sqlglot.parse_one(to_spark(sql, TABLES), read="spark")
        assert isinstance(found, exp.Query), name
        tables = {f"{table.db}.{table.name}" for table in found.find_all(exp.Table) if table.db}
        assert tables == parse(sql).tables, name
        assert {str(each.this) for each in found.find_all(exp.Placeholder)} == parse(sql).parameters, name
        within = {
            id(each) for group in found.find_all(exp.WithinGroup) for each in group.find_all(exp.Ordered)
        }
        firsts = [each for each in found.find_all(exp.Ordered) if id(each) not in within]
        assert not [each.sql() for each in firsts if each.args.get("nulls_first")], name


def test_what_silver_knows_is_left_out_in_sparks_words() -> None:
    """The runner's own SELECT of an increment."""
    silver = MODELS["silver.signals"]
    assert to_spark(_unknown(silver.about.key), {**TABLES, "gained": silver.columns})


class _Functions:
    """What a session would be given."""

    def __init__(self) -> None:
        self.udf = self
        self.known: dict[str, tuple[Callable[[Any], Any], str]] = {}

    def register(self, name: str, function: Callable[[Any], Any], kind: str) -> None:
        self.known[name] = function, kind


@pytest.fixture(scope="module")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(LakeSettings(uri=str(tmp_path_factory.mktemp("lake")))) as made:
        yield made


@example(numbers=[math.nan, 1e15, 1e16, 1e-4, 1e-5, -0.0])
@given(numbers=st.lists(st.floats(allow_nan=False), min_size=1))
def test_a_number_is_written_as_duckdb_writes_it(numbers: list[float], duck: Engine) -> None:
    """All of them: an anomaly's id is a hash of such a text."""
    functions = _Functions()
    register(functions)
    text_of, kind = functions.known[TEXT_OF_NUMBER]
    assert kind == "string"
    assert text_of(None) is None
    duck.hold("silver.t", pa.table({"d": pa.array(numbers, pa.float64())}))
    found = duck.select("select d, cast(d as varchar) as written from silver.t").to_pylist()
    assert [row["written"] for row in found] == [text_of(value) for value in numbers]
    assert all(math.isnan(row["d"]) or float(text_of(row["d"])) == row["d"] for row in found)
