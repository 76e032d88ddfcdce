"""The models of this project: every `models/<layer>/<name>.sql` with the `.yml` beside it, checked against
each other, in an order in which each comes after those it reads."""

from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.resources import files
from pathlib import Path

import pyarrow as pa

from contracts.errors import ContractError
from contracts.yaml_file import Document, read_document
from lake.schemas import BRONZE_EVENTS
from transforms.model import Check, Column, Example, Model, ModelFile, Reach
from transforms.reference import SCHEMAS
from transforms.statement import SOURCE, TARGET, BadStatement, Statement, parse, relation

_PARTS = (ModelFile, Column, Reach, Check, Example)
_KEYS = tuple(key for part in _PARTS for key in part.model_fields)
SOURCES: Mapping[str, pa.Schema] = {BRONZE_EVENTS.name: BRONZE_EVENTS.columns, **SCHEMAS}
"""Tables that are read and that no model makes."""


def load_models(folder: Path | None = None) -> dict[str, Model]:
    """All models by name, each after what it reads; without a folder this project's own, which one process
    reads once. Raises ContractError with file and line."""
    return dict(_built_in() if folder is None else _load(folder))


@cache
def _built_in() -> Mapping[str, Model]:
    return _load(Path(str(files("transforms"))) / "models")


def _load(root: Path) -> Mapping[str, Model]:
    models = {model.name: model for model in map(load_model, sorted(root.glob("*/*.yml")))}
    for model in models.values():
        for table in sorted(model.reads - models.keys() - SOURCES.keys()):
            known = ", ".join(sorted({*models, *SOURCES}))
            raise read_document(model.file).error((), f"it reads {table}", f"there are {known}")
        _check_trace(model, models)
    return {name: models[name] for name in _ordered(models) if name in models}


def load_model(file: Path) -> Model:
    """One model, its .sql beside the file."""
    document = read_document(file)
    about = document.build(ModelFile, known_keys=_KEYS)
    sql_file = file.with_suffix(".sql")
    try:
        sql = sql_file.read_text(encoding="utf-8")
    except OSError as error:
        raise document.error((), f"there is no {sql_file.name}", "every model has both files") from error
    try:
        statement = parse(sql)
    except BadStatement as error:
        raise document.error((), f"{sql_file.name}: {error}", "correct the SQL") from error
    _check(document, about, statement)
    name = f"{file.parent.name}.{file.stem}"
    return Model(name, sql, statement.tables, statement.parameters, about, file)


def _check(document: Document, about: ModelFile, statement: Statement) -> None:
    """What one file alone cannot tell."""
    partition = [about.partition] if about.partition else []
    course = [about.course] if about.course else []
    named = {"key": about.key, "sort": about.sort, "partition": partition, "course": course}
    for key, names in named.items():
        for name in set(names) - about.columns.keys():
            raise document.error((key,), f"there is no column {name}", "document it under columns")
    if statement.unknown:
        unknown = ", ".join(sorted(statement.unknown))
        raise document.error((), f"the SQL reads {unknown}", "name a step, or a table with its layer")
    for number, example in enumerate(about.examples):
        place = ("examples", number)
        missing = statement.tables - example.given.keys() - SCHEMAS.keys()
        if missing:
            raise document.error((*place, "given"), f"no rows of {', '.join(sorted(missing))}", "give some")
        for step in example.steps.keys() - set(statement.steps):
            raise document.error((*place, "steps"), f"the SQL has no step {step}", "correct the name")


def _check_trace(model: Model, models: Mapping[str, Model]) -> None:
    """Its conditions name columns that there are, of tables that it is made from."""
    for table, condition in model.about.trace.items():
        try:
            related = relation(condition)
        except BadStatement as error:
            raise _untraced(model, table, str(error), "write a condition") from error
        if table not in _made_from(model, models) - SCHEMAS.keys():
            raise _untraced(model, table, "it is not made from this table", "name one that the SQL reads")
        known = models[table].columns if table in models else SOURCES[table]
        missing = (
            related.columns(SOURCE) - set(known.names) | related.columns(TARGET) - model.about.columns.keys()
        )
        if missing or related.unknown:
            names = ", ".join(sorted(missing | related.unknown))
            raise _untraced(
                model, table, f"there is no column {names}", "name source.COLUMN or target.COLUMN"
            )


def _untraced(model: Model, table: str, problem: str, cure: str) -> ContractError:
    return read_document(model.file).error(("trace", table), problem, cure)


def _made_from(model: Model, models: Mapping[str, Model]) -> set[str]:
    """The tables that it reads. One that is made as a whole is made of all that those are made from, too."""
    found, left = set[str](), [*model.reads]
    while left:
        table = left.pop()
        if table not in found:
            found.add(table)
            left += models[table].reads if table in models and model.about.partition is None else []
    return found


def _ordered(models: Mapping[str, Model]) -> Iterator[str]:
    try:
        return iter(tuple(TopologicalSorter({m.name: m.reads for m in models.values()}).static_order()))
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        first = models[error.args[1][0]]
        raise read_document(first.file).error((), f"models read each other: {circle}") from error
