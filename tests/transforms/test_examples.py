"""Every example of every model holds, and an example that does not is told."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from lake.engine import Engine, engine
from lake.settings import LakeSettings
from transforms.examples import run_example
from transforms.load import SOURCES, load_models
from transforms.model import Example, Model
from transforms.rows import table_of
from transforms.settings import TransformSettings

MODELS = load_models()
EXAMPLES = [
    pytest.param(model, example, id=f"{model.name}: {example.name}")
    for model in MODELS.values()
    for example in model.about.examples
]
TABLES = {**SOURCES, **{model.name: model.columns for model in MODELS.values()}}


@pytest.fixture(scope="module")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(LakeSettings(uri=str(tmp_path_factory.mktemp("lake")))) as made:
        yield made


@pytest.mark.parametrize(("model", "example"), EXAMPLES)
def test_the_example_holds(model: Model, example: Example, duck: Engine) -> None:
    """Of the model's own .yml."""
    assert run_example(model, example, TABLES, duck, TransformSettings().parameters()) == []


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_the_columns_are_those_of_the_documentation(model: Model, duck: Engine) -> None:
    """In names and order, and in types that convert without loss."""
    for table in model.reads:
        duck.hold(table, TABLES[table].empty_table())
    given = TransformSettings().parameters()
    found = duck.select(model.sql, {name: given.get(name) for name in model.parameters})
    assert found.schema.names == model.columns.names
    found.cast(model.columns)


@pytest.mark.parametrize(("model", "example"), EXAMPLES)
def test_what_an_example_gives_passes_the_checks(model: Model, example: Example, duck: Engine) -> None:
    """Each check can be run, and finds nothing wrong in rows that are right."""
    for table, rows in example.given.items():
        duck.hold(table, table_of(rows, TABLES[table]))
    given = {**TransformSettings().parameters(), **example.parameters}
    made = duck.select(model.sql, {name: given.get(name) for name in model.parameters})
    duck.hold(model.name, made)
    assert {check.name: duck.select(check.sql).to_pylist() for check in model.about.checks} == {
        check.name: [] for check in model.about.checks
    }


@pytest.mark.parametrize(
    ("change", "differences"),
    [
        ({"expect": [["n"], [4]]}, ["missing n=4", "unexpected n=3"]),
        ({"expect": [["n"], [3], [3]]}, ["missing n=3"]),
        ({"expect": [["n"]]}, ["unexpected n=3"]),
        ({"expect": [["m"], [3]]}, ["there is no column m; there are n"]),
        (
            {"steps": {"doubled": [["v"], [2], [5]]}},
            ["step doubled: missing v=5.0", "step doubled: unexpected v=4.0"],
        ),
        ({"parameters": {"least": 2}, "expect": [["n"], [2]]}, []),
        ({"steps": {"doubled": [["v"], [4.0], [2.0000000001]]}}, []),
    ],
)
def test_what_differs_from_an_example_is_told(
    change: dict[str, object], differences: list[str], duck: Engine
) -> None:
    """Rows that are missing or unexpected, in the result or in a step; copies count."""
    sql = (
        "with doubled as (select 2 * value as v from silver.signals where value >= $least) "
        "select count(*) + 1 as n from doubled"
    )
    given = {"silver.signals": [["value"], [1], [2]]}
    told: dict[str, object] = {
        "name": "x",
        "given": given,
        "parameters": {"least": 1},
        "expect": [["n"], [3]],
    }
    about = MODELS["silver.signals"]
    model = Model("gold.x", sql, frozenset(given), frozenset({"least"}), about.about, about.file)
    example = Example.model_validate(told | change)
    tables = {"silver.signals": pa.schema({"value": pa.float64()})}
    assert run_example(model, example, tables, duck, {}) == differences
