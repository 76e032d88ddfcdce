"""Dagster is told every table, with what its model says of it."""

import dagster as dg
import pytest

from contracts.load import load_registry
from lake.settings import LakeSettings
from orchestration.assets import key_of
from orchestration.checks import all_checks_of
from orchestration.definitions import definitions
from orchestration.settings import OrchestrationSettings
from orchestration.store_checks import BRONZE, STATE
from transforms.build import Marts
from transforms.load import load_models
from transforms.reference import reference
from transforms.settings import TransformSettings

MODELS = load_models()


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    lake = LakeSettings(uri=str(tmp_path_factory.mktemp("lake")))
    marts = Marts(lake, MODELS, reference(load_registry()), TransformSettings())
    made = definitions(marts, OrchestrationSettings())
    dg.Definitions.validate_loadable(made)
    return made


@pytest.mark.parametrize("name", MODELS)
def test_a_table_is_an_asset_with_its_documentation(graph: dg.Definitions, name: str) -> None:
    """Description, columns with units, group, owner and one writer at a time."""
    model = MODELS[name]
    asset = graph.resolve_assets_def(key_of(name))
    spec = asset.get_asset_spec(key_of(name))
    assert spec.description is not None
    assert spec.description.startswith(model.about.description.strip())
    schema = spec.metadata["dagster/column_schema"]
    assert [column.name for column in schema.columns] == list(model.about.columns)
    assert spec.group_name == name.partition(".")[0]
    assert spec.owners
    assert spec.partitions_def is None or model.about.partition is not None
    read = {key_of(table) for table in model.reads if not table.startswith("reference.")}
    assert {dependency.asset_key for dependency in spec.deps} == read
    assert asset.op.pool == name


def test_every_check_of_a_model_is_an_asset_check(graph: dg.Definitions) -> None:
    """And there are no others of its table."""
    known = {key for each in graph.asset_checks or [] for key in each.check_keys}
    expected = {
        dg.AssetCheckKey(key_of(model.name), check.name)
        for model in MODELS.values()
        for check in all_checks_of(model)
    }
    tables = {key_of(name) for name in MODELS}
    assert {key for key in known if key.asset_key in tables} == expected


def test_what_sinks_write_is_in_the_graph_with_its_checks(graph: dg.Definitions) -> None:
    """Bronze and the state; without a look at other stores, only those of what comes in."""
    known = {key for each in graph.asset_checks or [] for key in each.check_keys}
    tables = {key_of(name) for name in MODELS}
    assert {key.name for key in known if key.asset_key not in tables} == {"fresh", "volume_as_usual"}
    for key in (BRONZE, STATE):
        spec = next(each for each in graph.resolve_all_asset_specs() if each.key == key)
        assert (bool(spec.description), bool(spec.owners), bool(spec.kinds)) == (True, True, True)
