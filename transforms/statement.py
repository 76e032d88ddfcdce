"""A model's SELECT, taken apart: which tables and parameters it names, and what one of its steps gives."""

from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError

DIALECT = "duckdb"
SOURCE, TARGET = "source", "target"
"""In the condition of a trace: a row of a table that is read, and the row that is made of it."""


class BadStatement(Exception):
    """A model's SQL is not the one SELECT that it must be."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT. A step is one of its common table expressions."""

    tree: exp.Query

    @property
    def tables(self) -> frozenset[str]:
        """Tables with a layer; a name without one is a step."""
        return frozenset(f"{table.db}.{table.name}" for table in self.tree.find_all(exp.Table) if table.db)

    @property
    def unknown(self) -> frozenset[str]:
        """Names that are read and are neither a step nor a table of a layer."""
        named = {table.name for table in self.tree.find_all(exp.Table) if not table.db and table.name}
        return frozenset(named - set(self.steps))

    @property
    def parameters(self) -> frozenset[str]:
        """Names of `$parameters`."""
        return frozenset(str(found.this) for found in self.tree.find_all(exp.Placeholder))

    @property
    def steps(self) -> tuple[str, ...]:
        """In the order in which they stand."""
        return tuple(step.alias for step in self.tree.ctes)

    def step(self, name: str) -> str:
        """The query of one step's rows."""
        if name not in self.steps:
            problem = f"there is no step {name}; there are {', '.join(self.steps) or 'none'}"
            raise BadStatement(problem)
        rest = exp.select("*").from_(exp.to_identifier(name, quoted=True))
        rest.set("with_", self.tree.args["with_"].copy())
        return rest.sql(DIALECT)


@dataclass(frozen=True, slots=True)
class Relation:
    """A condition between `source` and `target`, rows of two tables."""

    condition: exp.Expression

    def columns(self, of: str) -> frozenset[str]:
        """Those that it names of one of the two."""
        return frozenset(each.name for each in self.condition.find_all(exp.Column) if each.table == of)

    @property
    def unknown(self) -> frozenset[str]:
        """Columns that are of neither."""
        found = (each for each in self.condition.find_all(exp.Column) if each.table not in (SOURCE, TARGET))
        return frozenset(each.sql(DIALECT) for each in found)


def relation(condition: str) -> Relation:
    """Raises BadStatement for what is no condition."""
    tree = parse(f"select 1 from x.x as {SOURCE}, x.x as {TARGET} where (\n{condition}\n)").tree  # noqa: S608
    return Relation(tree.args["where"].this)


def parse(sql: str) -> Statement:
    """Raises BadStatement for anything but one SELECT."""
    try:
        trees = [tree for tree in sqlglot.parse(sql, read=DIALECT) if tree is not None]
    except ParseError as error:
        found = error.errors[0] if error.errors else {}
        problem = f"line {found.get('line')}: {found.get('description', error)}"
        raise BadStatement(problem) from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        problem = f"a model is one SELECT, not {', '.join(tree.key for tree in trees) or 'nothing'}"
        raise BadStatement(problem)
    return Statement(trees[0])
