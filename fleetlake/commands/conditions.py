"""Rows of a table that a person's condition names."""

from lake.duck import identifier
from lake.errors import QueryFailed
from lake.query import Rows, Warehouse


def rows_where(lake: Warehouse, table: str, where: str | None, behind: str = "") -> Rows:
    """The rows of `table` for which `where` holds, all without one; `behind` follows in the statement.

    QueryFailed counts the lines of the condition, not of the statement around it.
    """
    source = identifier(table)
    if where is None:
        return lake.query(f"select * from {source}{behind}")  # noqa: S608 - reads only
    try:
        return lake.query(f"select * from {source} where (\n{where}\n){behind}")  # noqa: S608 - reads only
    except QueryFailed as error:
        if error.line is None:
            raise
        raise QueryFailed(error.problem, max(error.line - 1, 1), error.column) from error
