"""A model's SELECT with every column named by its table and every expression typed, as Spark's form of it
depends on both: the greatest struct is another one than in DuckDB, the greatest number is not. Stars, rows of
structs and unions by name are written out, since Spark has none or means another thing by them."""

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import pyarrow as pa
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from transforms.statement import DIALECT

Tables = Mapping[str, pa.Schema]
"""The columns of each table, by its name as it stands in the SQL."""

EACH = "each_of_them"
SHOWN = 80
INTEGERS = 2**31

_ARROW: Mapping[pa.DataType, str] = {
    pa.string(): "VARCHAR",
    pa.large_string(): "VARCHAR",
    pa.string_view(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
}

_TYPED: Mapping[str, exp.DType] = {
    "epoch_us": exp.DType.BIGINT,
    "favg": exp.DType.DOUBLE,
    "to_seconds": exp.DType.INTERVAL,
}
"""DuckDB's functions that SQLGlot knows nothing of."""


class NotForSpark(Exception):
    """A construct of DuckDB's that has no form in Spark which means the same, or none that is known here. The
    SQL has to say it in another way."""

    def __init__(self, construct: str, place: str) -> None:
        self.construct, self.place = construct, place
        super().__init__(f"{construct} has no faithful form in Spark: {place}")


def refuse(construct: str, node: exp.Expr) -> NoReturn:
    """Raises NotForSpark about a part of the SQL, with its line where SQLGlot kept one."""
    text = node.sql(DIALECT, comments=False)
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    lines = (part.meta.get("line") for part in node.walk())
    line = next((found for found in lines if found), None)
    raise NotForSpark(construct, f"line {line}: {shown}" if line else shown)


def resolved(tree: exp.Query, tables: Tables) -> exp.Query:
    """Raises NotForSpark where a column's type cannot be known."""
    tree = tree.copy()
    dotted = _one_part_names(tree)
    columns = {name: _columns(name, schema) for name, schema in tables.items()}
    for unnested in [*tree.find_all(exp.Explode)]:
        _write_out_structs(unnested, columns)
    schema = MappingSchema({_key(name): each for name, each in columns.items()}, dialect=DIALECT)
    try:
        tree = qualify(
            tree, schema=schema, dialect=DIALECT, quote_identifiers=False, validate_qualify_columns=False
        )
        tree = _typed(tree, schema)
        for union in reversed([*tree.find_all(exp.SetOperation)]):
            _write_out_names(union)
    except SqlglotError as error:
        construct = "a name"
        raise NotForSpark(construct, str(error)) from error
    for column in tree.find_all(exp.Column):
        if not isinstance(column.this, exp.Star) and not is_typed(column):
            refuse("a column whose type is not known", column)
    for table in tree.find_all(exp.Table):
        if table.name in dotted:
            layer, _, name = table.name.partition(".")
            table.set("db", exp.to_identifier(layer))
            table.set("this", exp.to_identifier(name))
    return tree


def is_typed(node: exp.Expr) -> bool:
    return node.type is not None and not node.is_type(exp.DType.UNKNOWN)


def _key(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(DIALECT)


def _one_part_names(tree: exp.Query) -> set[str]:
    """A table of a layer is known by one name for a while, as tables of the engine's own are."""
    found = set[str]()
    for table in tree.find_all(exp.Table):
        if table.db:
            name = f"{table.db}.{table.name}"
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
            table.set("this", exp.to_identifier(name, quoted=True))
            table.set("db", None)
            found.add(name)
    return found


def _columns(table: str, schema: pa.Schema) -> dict[str, Any]:
    return {_key(field.name): _type(field.type, f"{table}.{field.name}") for field in schema}


def _type(kind: pa.DataType, place: str) -> str:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{_type(kind.value_type, place)}[]"
    if pa.types.is_struct(kind):
        fields = (kind.field(index) for index in range(kind.num_fields))
        return f"STRUCT({', '.join(f'{_key(each.name)} {_type(each.type, place)}' for each in fields)})"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ" if kind.tz else "TIMESTAMP"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if kind not in _ARROW:
        construct = f"a column of type {kind}"
        raise NotForSpark(construct, place)
    return _ARROW[kind]


def _typed(tree: exp.Query, schema: MappingSchema) -> exp.Query:
    metadata: dict[Any, Any] = {
        **schema.dialect.EXPRESSION_METADATA,
        exp.ArgMax: {"annotator": lambda self, node: self._annotate_by_args(node, "this")},
        exp.ArgMin: {"annotator": lambda self, node: self._annotate_by_args(node, "this")},
        **{
            kind: {"returns": exp.DType.VARCHAR}
            for kind in (exp.Chr, exp.ConcatWs, exp.DPipe, exp.Left, exp.SHA2)
        },
        exp.Placeholder: {"returns": exp.DType.DOUBLE},
        exp.Literal: {"annotator": lambda self, node: self._set_type(node, _literal(node))},
        exp.Anonymous: {
            "annotator": lambda self, node: self._set_type(
                node, _TYPED.get(node.name.lower(), exp.DType.UNKNOWN)
            )
        },
    }
    return annotate_types(tree, schema=schema, dialect=DIALECT, expression_metadata=metadata)


def _literal(node: exp.Expr) -> exp.DType:
    """0.5 is a decimal in both, 5e-1 a double."""
    if node.is_string:
        return exp.DType.VARCHAR
    if "e" in node.name.lower():
        return exp.DType.DOUBLE
    if "." in node.name:
        return exp.DType.DECIMAL
    return exp.DType.INT if abs(int(node.name)) < INTEGERS else exp.DType.BIGINT


def _write_out_structs(unnested: exp.Explode, columns: Mapping[str, Mapping[str, str]]) -> None:
    """`unnest(structs, max_depth := 2)` as a column for each field, of rows that an inner SELECT makes."""
    select = unnested.parent
    options = {option.name: option.expression.name for option in unnested.expressions}
    if not options or not isinstance(select, exp.Select):
        return
    source = select.args["from_"].this
    if options != {"max_depth": "2"} or select.args.get("joins") or not isinstance(source, exp.Table):
        refuse("unnest other than of a table's structs, once", unnested)
    kind = columns.get(source.name, {}).get(_key(unnested.this.name))
    if kind is None:
        refuse("unnest of a column whose type is not known", unnested)
    struct = exp.DataType.build(kind, dialect=DIALECT).expressions[0]
    inner = exp.select("*", exp.alias_(exp.Explode(this=unnested.this.copy()), EACH)).from_(source.copy())
    inner.set("where", select.args.get("where"))
    select.set("where", None)
    select.args["from_"].set("this", inner.subquery(source.alias_or_name))
    fields = (exp.to_identifier(field.name, quoted=True) for field in struct.expressions)
    each = [exp.alias_(exp.Dot(this=exp.column(EACH), expression=name), name.copy()) for name in fields]
    place = select.expressions.index(unnested)
    select.set("expressions", [*select.expressions[:place], *each, *select.expressions[place + 1 :]])


def _write_out_names(union: exp.SetOperation) -> None:
    """`union by name`: both sides get the columns of both, null where a side has none of that name."""
    if not union.args.get("by_name"):
        return
    sides = [_select(union.this), _select(union.expression)]
    names = list(dict.fromkeys(name for side in sides for name in side.named_selects))
    for side in sides:
        given = dict(zip(side.named_selects, side.selects, strict=True))
        side.set("expressions", [*_in_order(names, given)])
    union.set("by_name", None)


def _in_order(names: list[str], given: Mapping[str, exp.Expr]) -> Iterator[exp.Expr]:
    for name in names:
        yield given[name] if name in given else exp.alias_(exp.null(), exp.to_identifier(name, quoted=True))


def _select(side: exp.Expr) -> exp.Select:
    if not isinstance(side, exp.Select) or side.is_star:
        refuse("union by name of other than two SELECTs of known columns", side)
    return side
