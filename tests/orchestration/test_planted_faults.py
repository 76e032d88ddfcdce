"""Every asset check fails when its fault is planted, and names the rows; on rows that are right all pass."""

from collections.abc import Iterator

import dagster as dg
import pytest

from contracts.load import load_registry
from lake.settings import LakeSettings
from orchestration.assets import key_of
from orchestration.checks import RANGE_END, RANGE_START, all_checks_of
from orchestration.definitions import definitions
from orchestration.markdown import cell
from orchestration.materialize import Request, run
from orchestration.settings import OrchestrationSettings
from tests.orchestration.evaluating import evaluate, lines_of
from tests.orchestration.planted import PLANTED, Row, planted, right, write
from tests.real_services import Real
from tests.transforms.small_lake import Lake, speed
from transforms.build import Marts
from transforms.checks import SHOWN
from transforms.load import load_models
from transforms.model import Model
from transforms.reference import reference
from transforms.rows import typed
from transforms.settings import TransformSettings

MODELS = load_models()
FAULTS = [
    pytest.param(model, check, rows, count, id=f"{model.name}: {check}")
    for model in MODELS.values()
    if model.name in PLANTED
    for check, rows, count in planted(model)
]


@pytest.fixture(scope="module")
def lake(real: Real, tmp_path_factory: pytest.TempPathFactory) -> LakeSettings:
    return real.lake() or LakeSettings(uri=str(tmp_path_factory.mktemp("lake")))


def code_of(lake: LakeSettings) -> dg.Definitions:
    marts = Marts(lake, MODELS, reference(load_registry()), TransformSettings())
    return definitions(marts, OrchestrationSettings())


@pytest.fixture(scope="module")
def code(lake: LakeSettings) -> dg.Definitions:
    return code_of(lake)


@pytest.fixture(scope="module")
def dagster() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def test_every_check_has_a_fault_of_its_own() -> None:
    """A new one has to be proven to fail, in planted.yml."""
    known = {(model.name, check.name) for model in MODELS.values() for check in all_checks_of(model)}
    assert known == {
        (model.name, check)
        for model in MODELS.values()
        if model.name in PLANTED
        for check, _, _ in planted(model)
    }


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_rows_that_are_right_pass_every_check(
    model: Model, lake: LakeSettings, code: dg.Definitions, dagster: dg.DagsterInstance
) -> None:
    """With one row, so that there is something to be wrong."""
    write(lake, model, [right(model)])
    found = evaluate(code, dagster, *((key_of(model.name), check.name) for check in all_checks_of(model)))
    assert {each.check_name: each.passed for each in found} == {
        check.name: True for check in all_checks_of(model)
    }


@pytest.mark.parametrize(("model", "check", "rows", "count"), FAULTS)
def test_a_planted_fault_fails_its_check_and_is_named(
    model: Model,
    check: str,
    rows: list[Row],
    count: int,
    lake: LakeSettings,
    code: dg.Definitions,
    dagster: dg.DagsterInstance,
) -> None:
    """It and no other row, with the values that are wrong."""
    wrong = [{**right(model), **row} for row in rows]
    write(lake, model, [right(model), *wrong])
    (found,) = evaluate(code, dagster, (key_of(model.name), check))
    severity = next(each.severity for each in all_checks_of(model) if each.name == check)
    assert not found.passed
    assert found.severity.value.lower() == severity
    assert found.metadata["wrong"].value == count
    assert f"{count} " in (found.description or "")
    named = lines_of(found)
    expected = [{name: texts(model, name, row[name]) for name in row} for row in rows]
    assert [line for line in named if not any(is_named(row, line) for row in expected)] == []
    assert len(named) == min(count, SHOWN)
    if count <= SHOWN:
        assert [row for row in expected if not any(is_named(row, line) for line in named)] == []


@pytest.mark.parametrize("name", ["gold.trips", "gold.charging_sessions"])
def test_what_overlaps_with_another_day_is_found_by_the_run_of_one(
    name: str, lake: LakeSettings, code: dg.Definitions, dagster: dg.DagsterInstance
) -> None:
    """A run checks its own days, and sees as far as the check has to."""
    model = MODELS[name]
    first = {
        "start_time": "2026-03-09T23:00:00",
        "end_time": "2026-03-10T01:00:00",
        "event_date": "2026-03-09",
    }
    second = {"start_time": "2026-03-10T00:30:00", "end_time": "2026-03-10T02:00:00"}
    write(lake, model, [{**right(model), **first}, {**right(model), **second}])
    of_the_day = {RANGE_START: "2026-03-10", RANGE_END: "2026-03-10"}
    for check, passed in (("no_two_at_once", False), ("key_is_unique", True)):
        (found,) = evaluate(code, dagster, (key_of(name), check), tags=of_the_day)
        assert found.passed is passed


def test_an_increment_checks_the_days_that_it_adds_to(
    lake_settings: LakeSettings, dagster: dg.DagsterInstance
) -> None:
    """Not all of silver every minute: that is done at night."""
    lake, silver = Lake(lake_settings), MODELS["silver.signals"]
    code = code_of(lake_settings)
    write(lake_settings, silver, [right(silver), right(silver)])
    lake.land([speed(1, days_before=1)])
    assert run(code, dagster, Request([silver.name])).failed_checks == {}
    (found,) = evaluate(code, dagster, (key_of(silver.name), "key_is_unique"))
    assert not found.passed
    lake.land([speed(2)])
    assert list(run(code, dagster, Request([silver.name])).failed_checks) == ["silver.signals: key_is_unique"]


def texts(model: Model, column: str, value: object) -> str:
    """A planted value as a check shows it."""
    return cell(typed(value, model.columns.field(column).type))


def is_named(row: dict[str, str], line: dict[str, str]) -> bool:
    """Whether a line shows the values of a row, as far as it has them."""
    return all(line[name] == value for name, value in row.items() if name in line)
