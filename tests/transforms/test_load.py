"""What is wrong with a model is one line that names file and place; models come after what they read."""

from pathlib import Path

import pytest

from contracts.errors import ContractError
from transforms.load import load_models

ABOUT = """\
description: One row per vehicle.
key: [vehicle_id]
columns:
  vehicle_id: {{type: text, description: The vehicle}}
examples:
  - name: one vehicle
    given: {{{given}: [[vehicle_id], [V1]]}}
    expect: [[vehicle_id], [V1]]
"""
SELECT = "select distinct vehicle_id from {table}\n"


def write(folder: Path, name: str, *, reads: str, about: str | None = None, sql: str | None = None) -> None:
    """A model of one column."""
    layer, _, table = name.partition(".")
    (folder / layer).mkdir(exist_ok=True)
    (folder / layer / f"{table}.yml").write_text(about or ABOUT.format(given=reads))
    (folder / layer / f"{table}.sql").write_text(sql or SELECT.format(table=reads))


def test_a_model_comes_after_those_it_reads(tmp_path: Path) -> None:
    """Whatever the order of their names."""
    write(tmp_path, "gold.a", reads="gold.b")
    write(tmp_path, "gold.b", reads="silver.c")
    write(tmp_path, "silver.c", reads="bronze.events")
    assert list(load_models(tmp_path)) == ["silver.c", "gold.b", "gold.a"]


def test_models_that_read_each_other_are_refused(tmp_path: Path) -> None:
    """The circle is named."""
    write(tmp_path, "gold.a", reads="gold.b")
    write(tmp_path, "gold.b", reads="gold.a")
    with pytest.raises(ContractError, match=r"models read each other: gold\.\w -> gold\.\w -> gold\.\w"):
        load_models(tmp_path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"sql": "select vehicle_id from gold.nothing"}, r"no rows of gold\.nothing"),
        ({"sql": "select vehicle_id from events"}, r"the SQL reads events"),
        ({"sql": "select 1; select 2"}, r"a\.sql: a model is one SELECT, not select, select"),
        ({"sql": "delete from bronze.events"}, r"a\.sql: a model is one SELECT, not delete"),
        ({"sql": "select vehicle_id fro bronze.events x y"}, r"a\.sql: line 1:"),
        (
            {"about": ABOUT.format(given="bronze.events").replace("key: [v", "key: [w")},
            r":2: key: there is no",
        ),
        ({"about": ABOUT.format(given="bronze.events").replace("type: text", "type: words")}, r":4: columns"),
        (
            {"about": ABOUT.format(given="bronze.events").partition("examples")[0]},
            r"examples: this key is miss",
        ),
        ({"about": ABOUT.format(given="bronze.events") + "    steps: {more: [[a]]}\n"}, r"no step more"),
    ],
)
def test_what_is_wrong_with_a_model_is_named(tmp_path: Path, changes: dict[str, str], problem: str) -> None:
    """With its file, and the line where there is one."""
    write(tmp_path, "gold.a", reads="bronze.events", **changes)
    with pytest.raises(ContractError, match=problem) as raised:
        load_models(tmp_path)
    assert str(tmp_path / "gold" / "a.yml") in str(raised.value)


@pytest.mark.parametrize(
    ("table", "condition", "problem"),
    [
        ("bronze.events", "source.vehicle_id = target.vehicle", "there is no column vehicle; name source"),
        ("bronze.events", "source.car = target.vehicle_id", "there is no column car; name source"),
        ("bronze.events", "vehicle_id = target.vehicle_id", "there is no column vehicle_id; name source"),
        ("bronze.events", "source.vehicle_id =", r"line \d: .*; write a condition"),
        ("bronze.events", "true) or (true); select 1", "; write a condition"),
        ("silver.signals", "source.vehicle_id = target.vehicle_id", "it is not made from this table"),
    ],
)
def test_what_is_wrong_with_a_trace_is_named(
    tmp_path: Path, table: str, condition: str, problem: str
) -> None:
    """With its line: before anybody asks for it."""
    about = ABOUT.format(given="bronze.events") + f'trace: {{{table}: "{condition}"}}\n'
    write(tmp_path, "gold.a", reads="bronze.events", about=about)
    with pytest.raises(ContractError, match=rf"a\.yml:9: trace\.{table}: .*{problem}"):
        load_models(tmp_path)


def test_a_table_that_nobody_makes_is_named(tmp_path: Path) -> None:
    """With those that there are."""
    write(tmp_path, "gold.a", reads="silver.b")
    with pytest.raises(ContractError, match=r"it reads silver\.b; there are bronze\.events, gold\.a"):
        load_models(tmp_path)


def test_a_model_without_its_sql_is_named(tmp_path: Path) -> None:
    """Both files belong together."""
    write(tmp_path, "gold.a", reads="bronze.events")
    (tmp_path / "gold" / "a.sql").unlink()
    with pytest.raises(ContractError, match=r"there is no a\.sql"):
        load_models(tmp_path)
