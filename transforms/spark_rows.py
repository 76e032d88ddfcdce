"""Rules of many rows: aggregates, windows, joins, unnest."""

from sqlglot import exp

from transforms.spark_form import NESTED, WHOLE, T, call, function, number, of, rule
from transforms.spark_types import refuse

KINDS_OF_JOIN = frozenset({"", "INNER", "CROSS", "OUTER"})
SIDES_OF_JOIN = frozenset({"", "LEFT", "RIGHT", "FULL"})
WITHOUT_NULLS = (exp.Sum, exp.Count, exp.Min, exp.Max, exp.LogicalOr, exp.LogicalAnd, exp.Anonymous)
"""Aggregates that leave out rows of which the first argument is null."""


@rule(exp.Distinct)
def distinct(node: exp.Expr) -> exp.Expr:
    """Of rows, or of one column that is counted."""
    if (
        node.args.get("on")
        or len(node.expressions) > 1
        or any(of(each, *NESTED) for each in node.expressions)
    ):
        refuse("distinct on, or of several columns", node)
    return node


@rule(exp.Star)
def star(node: exp.Expr) -> exp.Expr:
    """All that a table has, or what is counted."""
    if node.args.get("except_") or node.args.get("replace") or node.args.get("rename"):
        refuse("a star with exceptions, over a table whose columns are not known", node)
    return node


@rule(exp.Min)
@rule(exp.Max)
def extreme(node: exp.Expr) -> exp.Expr:
    """Of structs, a null in one is the greatest value in DuckDB and the least in Spark."""
    if node.args.get("count") or node.expressions or of(node.this, T.ARRAY, T.LIST, T.MAP):
        refuse("several extremes, or one of lists", node)
    if not of(node.this, T.STRUCT):
        return node
    fields = node.this.type.expressions
    if not fields or any(field.kind.this in NESTED for field in fields):
        refuse("the extreme of structs of structs", node)
    keys: list[exp.Expr] = []
    for field in fields:
        value = exp.Dot(this=_part_of(node.this), expression=field.this.copy())
        keys += [exp.Is(this=value, expression=exp.null()), value.copy()]
    ordered_by = exp.Case(ifs=[exp.If(this=_is_there(node.this), true=call("struct", *keys))])
    return call(f"{node.key}_by", node.this, ordered_by)


def _part_of(struct: exp.Expr) -> exp.Expr:
    return struct.copy() if isinstance(struct, exp.Column) else exp.Paren(this=struct.copy())


def _is_there(value: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Paren(this=exp.Is(this=value.copy(), expression=exp.null())))


@rule(exp.ArgMax)
@rule(exp.ArgMin)
def value_at_extreme(node: exp.Expr) -> exp.Expr:
    """Rows without the value asked for do not count. Of several at the extreme, either engine takes any."""
    if node.args.get("count") or of(node.expression, *NESTED):
        refuse("several values at an extreme, or at one of structs or lists", node)
    name = "max_by" if isinstance(node, exp.ArgMax) else "min_by"
    return exp.Filter(
        this=call(name, node.this, node.expression), expression=exp.Where(this=_is_there(node.this))
    )


@rule(exp.Filter)
def filtered(node: exp.Expr) -> exp.Expr:
    """Joined with the condition of the aggregate itself."""
    inner = node.this
    if not isinstance(inner, exp.Filter):
        return node
    own, asked = inner.expression.this, node.expression.this
    both = exp.And(this=exp.Paren(this=asked.copy()), expression=own.copy())
    return exp.Filter(this=inner.this.copy(), expression=exp.Where(this=both))


@rule(exp.Avg)
def average(node: exp.Expr) -> exp.Expr:
    """Of numbers a double, in both but for decimals."""
    if not of(node.this, *WHOLE, T.DOUBLE):
        refuse("avg of this type", node)
    return call("avg", node.this)


@function("favg")
def exact_average(node: exp.Expr) -> exp.Expr:
    """As `avg`, whose last digits depend on the order of adding."""
    return call("avg", exp.cast(node.expressions[0].copy(), T.DOUBLE))


@rule(exp.PercentileCont)
@rule(exp.PercentileDisc)
def quantile(node: exp.Expr) -> exp.Expr:
    """Of doubles, at a share that is written there."""
    value, share = node.this, node.expression
    if not of(value, T.DOUBLE) or not isinstance(share, exp.Literal) or share.is_string:
        refuse("a quantile of other than doubles, or at a share that is not written there", node)
    name = "percentile_cont" if isinstance(node, exp.PercentileCont) else "percentile_disc"
    order = exp.Order(expressions=[exp.Ordered(this=value.copy(), nulls_first=True)])
    return exp.WithinGroup(this=call(name, share), expression=order)


@rule(exp.AnyValue)
def any_value(node: exp.Expr) -> exp.Expr:
    """That is not null."""
    return call("any_value", node.this, exp.true())


@rule(exp.Window)
def window(node: exp.Expr) -> exp.Expr:
    """Spark has no `filter` there: what is left out is null instead, which these aggregates leave out too.
    Its parser takes the name of a window and a minus behind it for one name."""
    found = node.copy()
    if isinstance(found.this, exp.Filter):
        found.set("this", _of_chosen(found.this))
    if isinstance(found.this, exp.RowNumber):
        return exp.cast(found, T.BIGINT)
    return exp.Paren(this=found) if isinstance(node.parent, exp.Binary) else found


def _of_chosen(node: exp.Filter) -> exp.Expr:
    aggregate, condition = node.this.copy(), node.expression.this
    if not isinstance(aggregate, WITHOUT_NULLS) or isinstance(aggregate.this, exp.Distinct):
        refuse("filter of this aggregate over a window", node)
    if isinstance(aggregate, exp.Anonymous):
        aggregate.set("expressions", [_where(condition, part) for part in aggregate.expressions])
    else:
        value = number(1) if isinstance(aggregate.this, exp.Star) else aggregate.this
        aggregate.set("this", _where(condition, value))
    return aggregate


def _where(condition: exp.Expr, value: exp.Expr) -> exp.Expr:
    return exp.Case(ifs=[exp.If(this=condition.copy(), true=value.copy())])


@rule(exp.With)
def steps(node: exp.Expr) -> exp.Expr:
    """Each of those before it."""
    if node.args.get("recursive"):
        refuse("recursion", node)
    return node


@rule(exp.Join)
def join(node: exp.Expr) -> exp.Expr:
    """On a condition: inner, outer or all with all."""
    kind, side = (node.args.get("kind") or "").upper(), (node.args.get("side") or "").upper()
    if (
        node.args.get("method")
        or node.args.get("using")
        or kind not in KINDS_OF_JOIN
        or side not in SIDES_OF_JOIN
    ):
        refuse("a join other than inner, outer or cross, on a condition", node)
    return node


@rule(exp.Explode)
def unnested(node: exp.Expr) -> exp.Expr:
    """Of a list without rows, or none, no row, in both. One in a SELECT."""
    select = node.parent.parent if isinstance(node.parent, exp.Alias) else node.parent
    count = len([*select.find_all(exp.Explode)]) if isinstance(select, exp.Select) else 0
    if node.expressions or count != 1:
        refuse("unnest other than once in a SELECT", node)
    return call("explode", node.this)
