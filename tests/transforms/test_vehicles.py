"""The registry of vehicles: what is wrong in it is named with its line, and what it says is in the marts."""

from pathlib import Path
from zoneinfo import available_timezones

import pyarrow as pa
import pytest

from contracts.errors import ContractError
from contracts.load import load_registry
from lake.engine import engine
from lake.query import Warehouse
from lake.settings import LakeSettings
from tests.transforms.small_lake import Lake, speed
from transforms.build import Marts, build
from transforms.load import load_models
from transforms.plan import plan
from transforms.reference import reference
from transforms.settings import TransformSettings
from transforms.vehicles import VEHICLES, load_vehicles

MODELS = load_models()
YAML = """\
vehicles:
  - {vehicle_id: V1, fleet: north, battery_kwh: 6.1, time_zone: Africa/Casablanca}
  - vehicle_id: 981
    model: Twizy
"""
CSV = """\
vehicle_id,fleet,model,battery_kwh,time_zone
V1,north,,6.1,Africa/Casablanca
981,,Twizy,,
"""


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    return file


@pytest.mark.parametrize(("name", "text"), [("v.yml", YAML), ("v.csv", CSV), ("v.csv", "\ufeff" + CSV)])
def test_both_forms_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    """What is left out or empty is not known; a number may be an id."""
    rows = load_vehicles(written(tmp_path, name, text))
    assert rows.schema == VEHICLES
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        ("981", None, "Twizy", None, None),
        ("V1", "north", None, 6.1, "Africa/Casablanca"),
    ]


def test_without_a_registry_nothing_is_known() -> None:
    """All vehicles are in the marts all the same."""
    assert load_vehicles(None).num_rows == 0


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "v.csv",
            "vehicle_id,fleet\nV1,n\nV2,n\nV1,s\n",
            r"v\.csv:4: vehicle_id: vehicle V1 stands in line 2",
        ),
        ("v.csv", "vehicle_id,fleet\nV1,n\n,s\n", r"v\.csv:3: vehicle_id: Field required"),
        ("v.csv", "vehicle_id,colour\nV1,red\n", r"v\.csv:1: colour: is no column; .*: vehicle_id, fleet"),
        ("v.csv", "vehicle_id;fleet\nV1;n\n", r"v\.csv:1: vehicle_id;fleet: is no column; .*by commas"),
        ("v.csv", "V1,north\n", r"v\.csv:1: V1: is no column"),
        ("v.csv", "vehicle_id,fleet,fleet\nV1,n,s\n", r"v\.csv:1: fleet: is named twice"),
        ("v.csv", "fleet\nnorth\n", r"v\.csv:1: vehicle_id: the column is missing"),
        ("v.csv", "", r"v\.csv:1: vehicle_id: the column is missing"),
        ("v.csv", 'vehicle_id,fleet\n"V1,n\nV2,s\n', r"v\.csv:2: is not CSV: .*a quote without its pair"),
        ("v.csv", 'vehicle_id,fleet\n"V1\nV2",s\n', r"v\.csv:3: vehicle_id: "),
        ("v.csv", "vehicle_id,time_zone\nV1,right/Europe/Berlin\n", r"no time zone right/Europe/Berlin"),
        ("v.yml", "vehicles:\n  - {vehicle_id: 0123}\n", r"v\.yml:2: .*vehicle_id: YAML reads 123"),
        ("v.yml", "vehicles:\n  - {vehicle_id: V, fleet: 1e3}\n", r"v\.yml:2: .*fleet: YAML reads 1000"),
        ("v.csv", 'vehicle_id,battery_kwh\nV1,"6,1"\n', r"v\.csv:2: battery_kwh: .*it is '6,1'"),
        ("v.csv", "vehicle_id,fleet\nV1,n,x\n", r"v\.csv:2: too many values: "),
        (
            "v.csv",
            "vehicle_id,battery_kwh\nV1,many\nV2,-1\n",
            r"v\.csv:2: battery_kwh(.|\n)*v\.csv:3: battery_kwh",
        ),
        ("v.csv", "vehicle_id,time_zone\nV1,Berlin\n", r"v\.csv:2: time_zone: there is no time zone Berlin"),
        (
            "v.yml",
            "vehicles: [{vehicle_id: V1, time_zone: localtime}]",
            r"v\.yml:1: .*no time zone localtime",
        ),
        ("v.yml", YAML + "  - vehicle_id: V1\n", r"v\.yml:5: vehicle_id: vehicle V1 stands in line 2"),
        ("v.yml", "vehicles:\n  - {vehicle_id: V1, flet: x}\n", r"v\.yml:2: .*did you mean `fleet`"),
        ("v.yml", "- V1\n", r"v\.yml:1: the file holds no mapping"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, name: str, text: str, problem: str) -> None:
    """Vehicles that stand there twice, too."""
    with pytest.raises(ContractError, match=problem):
        load_vehicles(written(tmp_path, name, text))


def test_a_registry_that_is_not_there_is_named(tmp_path: Path) -> None:
    """In either form."""
    for name in ("none.csv", "none.yml"):
        with pytest.raises(ContractError, match=rf"{name}: cannot be read: No such file"):
            load_vehicles(tmp_path / name)


def test_every_time_zone_that_is_taken_is_known_to_the_engine(lake_settings: LakeSettings) -> None:
    """A name that only one of the two knows would stop every build."""
    zones = pa.table({"zone": sorted(available_timezones() - {"localtime"})})
    with engine(lake_settings) as duck:
        duck.hold("reference.zones", zones)
        found = duck.select(
            "select timestamptz '2026-07-01 12:00:00Z' at time zone zone from reference.zones"
        )
    assert found.num_rows == zones.num_rows > 400


def test_a_changed_registry_makes_due_what_reads_it(lake_settings: LakeSettings, tmp_path: Path) -> None:
    """And nothing else; built again, it is what the registry says."""
    lake = Lake(lake_settings)
    lake.land([speed(60)], [speed(60, vehicle="V2")])
    lake.increment()
    before = Marts(lake_settings, MODELS, reference(load_registry()), TransformSettings())
    for name in ("gold.signal_day", "gold.trips", "gold.dim_vehicle", "gold.signal_minute"):
        build(before, MODELS[name])
    vehicles = load_vehicles(written(tmp_path, "v.yml", YAML))
    after = Marts(lake_settings, MODELS, reference(load_registry(), vehicles), TransformSettings())
    built = {"gold.signal_day", "gold.trips", "gold.dim_vehicle", "gold.signal_minute"}
    assert built & plan(before).keys() == set()
    assert built & plan(after).keys() == {"gold.trips", "gold.dim_vehicle"}
    build(after, MODELS["gold.dim_vehicle"])
    with Warehouse(lake_settings) as warehouse:
        asked = (
            "select vehicle_id, fleet, is_registered, last_seen is null from gold.dim_vehicle order by all"
        )
        rows = warehouse.query(asked).table().to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("981", None, True, True),
        ("V1", "north", True, False),
        ("V2", None, False, False),
    ]
