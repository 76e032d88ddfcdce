"""A model's DuckDB SELECT as one of Spark 4.0 SQL that means the same, or an error that names what has no
such form: nothing is translated on good luck. `$name` becomes `:name`. The session is in UTC and ANSI mode.

1. Columns get their table and type, stars and unions by name are written out (`spark_types.py`).
2. Each part of the tree, inner ones first, is left as it is, replaced by its rule (`spark_numbers.py`,
   `spark_times.py`, `spark_values.py`, `spark_rows.py`) or refused (`spark_form.py` says how).
3. SQLGlot writes the tree in Spark's spelling, with its order of nulls.
"""

from typing import Any

from sqlglot import ErrorLevel, exp
from sqlglot.errors import UnsupportedError

from transforms import spark_numbers, spark_rows, spark_times, spark_values
from transforms.spark_form import FUNCTIONS, PLAIN, RULES, TEXT_OF_NUMBER
from transforms.spark_types import NotForSpark, Tables, is_typed, refuse, resolved
from transforms.statement import parse

__all__ = ["NotForSpark", "register", "to_spark"]

SPARK = "spark"
RULED = (spark_numbers, spark_rows, spark_times, spark_values)
"""Imported for their rules."""


def to_spark(sql: str, tables: Tables | None = None) -> str:
    """`tables` are the columns of those that the SQL names. Raises NotForSpark, and BadStatement for what is
    not one SELECT."""
    tree = _translated(resolved(parse(sql).tree, tables or {}))
    try:
        return tree.sql(SPARK, identify=True, comments=False, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise NotForSpark(str(error), sql) from error


def register(session: Any) -> None:
    """Makes known to a session what Spark has no function for: how DuckDB, and Python, write a double."""
    # Of built-in names only, and not of this module: executors need nothing installed.
    session.udf.register(TEXT_OF_NUMBER, lambda value: None if value is None else repr(value), "string")


def _translated(tree: exp.Query) -> exp.Query:
    for node in reversed([*tree.walk()]):
        found = _form(node)
        if found is not node:
            found.type = node.type if is_typed(node) else None
            node.replace(found)
    return tree


def _form(node: exp.Expr) -> exp.Expr:
    kind = type(node)
    if isinstance(node, exp.Anonymous):
        known = FUNCTIONS.get(node.name.lower())
        if known is None:
            refuse(f"the function {node.name.lower()}", node)
        return known(node)
    if kind in RULES:
        return RULES[kind](node)
    if kind not in PLAIN:
        refuse(node.key, node)
    return node
