"""What each construct of DuckDB's is in Spark: the same for those of PLAIN, another expression by a rule, and
refused for all others. A rule is for one class of SQLGlot's tree; it gets a node whose parts are Spark's
already, with the types that DuckDB gives them. Session time zone UTC, ANSI mode."""

from collections.abc import Callable

from sqlglot import exp

Rule = Callable[[exp.Expr], exp.Expr]
RULES: dict[type[exp.Expr], Rule] = {}
FUNCTIONS: dict[str, Rule] = {}
"""By DuckDB's name, of those that SQLGlot has no class for."""

T = exp.DType
WHOLE = frozenset({T.TINYINT, T.SMALLINT, T.INT, T.BIGINT})
REAL = frozenset({T.FLOAT, T.DOUBLE})
NUMBERS = WHOLE | REAL | {T.DECIMAL}
TEMPORAL = frozenset({T.DATE, T.TIMESTAMP, T.TIMESTAMPNTZ, T.TIMESTAMPTZ})
TEXT = frozenset({T.TEXT, T.VARCHAR})
NESTED = frozenset({T.STRUCT, T.ARRAY, T.LIST, T.MAP})

TEXT_OF_NUMBER = "fleetlake_text_of_number"
PLAIN: frozenset[type[exp.Expr]] = frozenset(
    {
        *(exp.Select, exp.From, exp.Where, exp.Having, exp.CTE, exp.Table, exp.TableAlias, exp.Subquery),
        *(exp.Order, exp.Ordered, exp.Group, exp.Limit, exp.Exists, exp.Identifier, exp.Alias),
        *(exp.Literal, exp.Null, exp.Boolean, exp.Placeholder, exp.Paren, exp.Column, exp.DataType, exp.Var),
        *(exp.And, exp.Or, exp.Not, exp.Is, exp.ColumnDef, exp.Struct, exp.PropertyEQ, exp.Dot),
        *(exp.Count, exp.RowNumber, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.IgnoreNulls),
        *(exp.LogicalOr, exp.LogicalAnd, exp.WindowSpec),
    }
)
"""Those that say the same in both, with SQLGlot's spelling."""


def rule(kind: type[exp.Expr]) -> Callable[[Rule], Rule]:
    """Makes a function the rule of a class."""

    def made(function: Rule) -> Rule:
        RULES[kind] = function
        return function

    return made


def function(name: str) -> Callable[[Rule], Rule]:
    """Makes a function the rule of a function of DuckDB's."""

    def made(found: Rule) -> Rule:
        FUNCTIONS[name] = found
        return found

    return made


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A function of Spark's, as it stands: SQLGlot does not translate it again."""
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def number(text: str | int) -> exp.Expr:
    """As Spark writes it: 1 is an int, 1L a bigint, 1D a double."""
    return exp.Literal.number(text)


def of(node: exp.Expr, *kinds: exp.DType) -> bool:
    """Whether it is of one of these types, as DuckDB has it."""
    return node.type is not None and node.type.this in kinds


def binary(kind: type[exp.Binary], left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """An operation that may stand in another one."""
    return exp.Paren(this=kind(this=operand(left), expression=operand(right)))


def operand(node: exp.Expr) -> exp.Expr:
    """What may stand beside an operator."""
    return exp.Paren(this=node.copy()) if isinstance(node, exp.Binary | exp.Connector) else node.copy()


def as_double(node: exp.Expr) -> exp.Expr:
    """The same, and of 64 bits with a fraction."""
    return node.copy() if of(node, T.DOUBLE) else exp.cast(node.copy(), T.DOUBLE)


def is_zero(node: exp.Expr) -> bool:
    """Whether a 0 stands there."""
    return isinstance(node, exp.Literal) and not node.is_string and float(node.this) == 0


def failing(reason: str, when: exp.Expr, otherwise: exp.Expr) -> exp.Expr:
    """An error for rows of which something is true, as in DuckDB."""
    return exp.Case(
        ifs=[exp.If(this=when, true=call("raise_error", exp.Literal.string(reason)))], default=otherwise
    )
