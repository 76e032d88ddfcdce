"""What a model says of itself: the SELECT in its .sql, and in its .yml the columns with their units, what is
unique, which days a row may depend on, checks, and examples that show each rule at work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from contracts.schema import TIME
from lake.schemas import COMMON_PROPERTIES, TableSchema

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
TableName = Annotated[str, Field(pattern=r"^(bronze|silver|gold|reference)\.[a-z][a-z0-9_]*$")]
Text = Annotated[str, Field(min_length=1)]
Row = list[Any]


class ColumnType(StrEnum):
    """What a column holds. Times are UTC, in microseconds."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    BOOL = "bool"
    DATE = "date"
    TIME = "time"

    @property
    def arrow(self) -> pa.DataType:
        return ARROW_TYPES[self]


ARROW_TYPES: Mapping[ColumnType, pa.DataType] = {
    ColumnType.TEXT: pa.string(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.BOOL: pa.bool_(),
    ColumnType.DATE: pa.date32(),
    ColumnType.TIME: TIME,
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Part):
    """One column, documented for whoever reads the table."""

    type: ColumnType
    description: Text
    unit: str | None = None
    required: bool = False
    """No row is without it."""
    delivery: bool = False
    """Describes how messages came (coordinates, copies, latency): another order of arrival may change it."""


class Reach(_Part):
    """How many days before and after its own a row of a day depends on."""

    before: int = Field(default=0, ge=0)
    after: int = Field(default=0, ge=0)


class Severity(StrEnum):
    """What it means that a check fails."""

    ERROR = "error"
    """Rows are wrong, and can be made right."""
    WARN = "warn"
    """Something to look at: it may be as it should, or nothing can be done about it."""


class Check(_Part):
    """A query that returns the rows which are wrong; none are."""

    name: Name
    description: Text
    sql: Text
    severity: Severity = Severity.ERROR
    reach: Reach = Reach()
    """How many days around those that are checked it has to see."""
    whole: bool = False
    """It looks at the whole table, whichever days are checked."""
    finds: Text = "rows"
    """What its rows are, for people."""


class Example(_Part):
    """Rows of the tables read, and the rows that must come of them. The first row of each table names its
    columns; those of the model that are not named may be anything, those of a table read are null. A
    reference table that is not given has no rows."""

    name: Text
    given: Mapping[TableName, Sequence[Row]]
    parameters: Mapping[Name, Any] = Field(default_factory=dict)
    expect: Sequence[Row]
    steps: Mapping[Name, Sequence[Row]] = Field(default_factory=dict)
    """What the named parts of the query must give on the way."""


class ModelFile(_Part):
    """The .yml of a model."""

    description: Text
    partition: Name | None = None
    key: list[Name]
    sort: list[Name] = Field(default_factory=list)
    reach: Reach = Reach()
    trace: Mapping[TableName, Text] = Field(default_factory=dict)
    """Which rows of the tables that it is made from a row is made of: conditions between `source`, a row of
    the table named, and `target`, the row of the model. Tables whose rows name their message need none."""
    columns: Mapping[Name, Column]
    course: Name | None = None
    """A quantity whose sum of each day is worth a picture; else the rows are counted."""
    checks: list[Check] = Field(default_factory=list)
    examples: list[Example] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Model:
    """One table that is made from others by one SELECT."""

    name: str
    sql: str
    reads: frozenset[str]
    """The tables that the SELECT names, each `<layer>.<table>`."""
    parameters: frozenset[str]
    about: ModelFile
    file: Path

    @property
    def columns(self) -> pa.Schema:
        """In the order of the .yml, which is that of the SELECT."""
        return pa.schema(
            pa.field(name, column.type.arrow, nullable=not column.required)
            for name, column in self.about.columns.items()
        )

    @property
    def order(self) -> list[str]:
        """The columns by which a partition's rows are in order when they are written."""
        return [name for name in (self.about.partition, *self.about.sort) if name is not None]

    @property
    def table(self) -> TableSchema:
        """What it is stored as. What is required is a check: a row that breaks it is shown, not refused."""
        partition = () if self.about.partition is None else (self.about.partition,)
        columns = pa.schema(field.with_nullable(True) for field in self.columns)
        return TableSchema(self.name, columns, partition, COMMON_PROPERTIES)
