"""Rules of arithmetic: DuckDB's is that of IEEE 754, and what is out of a function's range is an error."""

from sqlglot import exp

from transforms.spark_form import (
    NUMBERS,
    TEMPORAL,
    WHOLE,
    T,
    as_double,
    binary,
    call,
    failing,
    is_zero,
    number,
    of,
    operand,
    rule,
)
from transforms.spark_types import refuse


@rule(exp.Div)
def division(node: exp.Expr) -> exp.Expr:
    """Is of doubles in DuckDB, by IEEE 754: by zero it is infinite, or not a number. Spark's raises."""
    left, right = node.this, node.expression
    if of(left, T.INTERVAL):
        refuse("division of an interval", node)
    if of(left, T.FLOAT) or of(right, T.FLOAT):
        refuse("division of 32-bit floats", node)
    by_zero = not isinstance(right, exp.Literal) or is_zero(right)
    if isinstance(right, exp.Nullif) and is_zero(right.expression):
        by_zero = False
    left, right = as_double(left), as_double(right)
    if not by_zero:
        return exp.Div(this=operand(left), expression=operand(right))
    infinite = binary(exp.Mul, left, call("power", right, number("-1D")))
    return exp.Coalesce(this=call("try_divide", left, right), expressions=[infinite])


@rule(exp.IntDiv)
def whole_division(node: exp.Expr) -> exp.Expr:
    """`//` of whole numbers is null by zero; of others DuckDB's is no whole division at all."""
    if not (of(node.this, *WHOLE) and of(node.expression, *WHOLE)):
        refuse("// of other than whole numbers", node)
    if of(node.this, T.BIGINT) or of(node.expression, T.BIGINT):
        return exp.IntDiv(this=operand(node.this), expression=_not_zero(node.expression))
    return exp.cast(exp.IntDiv(this=operand(node.this), expression=_not_zero(node.expression)), T.INT)


@rule(exp.Mod)
def remainder(node: exp.Expr) -> exp.Expr:
    """Has the sign of what is divided, in both; by zero it is null, where Spark's raises."""
    if not (of(node.this, *WHOLE) and of(node.expression, *WHOLE)):
        refuse("% of other than whole numbers", node)
    return exp.Mod(this=operand(node.this), expression=_not_zero(node.expression))


def _not_zero(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Literal) and not is_zero(node):
        return node.copy()
    return call("nullif", node, number(0))


@rule(exp.Round)
def rounded(node: exp.Expr) -> exp.Expr:
    """Half away from zero. Of a double DuckDB multiplies and divides; Spark rounds its decimal digits."""
    value, digits = node.this, node.args.get("decimals")
    is_written = digits is None or (isinstance(digits, exp.Literal) and digits.is_int)
    if of(value, *WHOLE) and digits is None:
        return exp.Paren(this=value.copy())
    if not of(value, T.DOUBLE) or not is_written:
        refuse("round of other than a double, to a number of digits that is written there", node)
    if digits is None or is_zero(digits):
        return call("round", node.this)
    power = number(f"{10 ** int(digits.this)}D")
    return exp.Div(this=call("round", binary(exp.Mul, node.this, power)), expression=power)


@rule(exp.Mul)
@rule(exp.Neg)
@rule(exp.Sum)
@rule(exp.Abs)
@rule(exp.Radians)
def of_numbers(node: exp.Expr) -> exp.Expr:
    """Beyond its type a whole number is an error, in both."""
    if not all(_is_number(part) for part in node.iter_expressions()):
        refuse(f"{node.key} of other than numbers", node)
    return node


@rule(exp.Sqrt)
def square_root(node: exp.Expr) -> exp.Expr:
    """Of a negative number is an error, where Spark's is not a number."""
    negative = exp.LT(this=operand(node.this), expression=number(0))
    return failing("square root of a negative number", negative, call("sqrt", node.this))


@rule(exp.Asin)
def arc_sine(node: exp.Expr) -> exp.Expr:
    """Beyond 1 is an error, where Spark's is not a number. Of what is not a number it is none, in both."""
    beyond = exp.GT(this=call("abs", node.this), expression=number(1))
    outside = exp.and_(exp.not_(call("isnan", as_double(node.this))), beyond)
    return failing("arc sine beyond 1", outside, call("asin", node.this))


@rule(exp.Sin)
@rule(exp.Cos)
def sine(node: exp.Expr) -> exp.Expr:
    """Of infinity is an error, where Spark's is not a number."""
    infinite = exp.EQ(
        this=call("abs", as_double(node.this)), expression=exp.cast(exp.Literal.string("infinity"), T.DOUBLE)
    )
    return failing(f"{node.key} of infinity", infinite, call(node.key, node.this))


@rule(exp.Pow)
def power(node: exp.Expr) -> exp.Expr:
    """Whole powers above 0, for which nothing can be out of range."""
    if not (
        isinstance(node.expression, exp.Literal) and node.expression.is_int and not is_zero(node.expression)
    ):
        refuse("a power that is no whole number above 0", node)
    return call("power", as_double(node.this), as_double(node.expression))


@rule(exp.Add)
@rule(exp.Sub)
def sum_or_difference(node: exp.Expr) -> exp.Expr:
    """Of numbers, of a date and whole days, of two dates (days, as a number), of a time and an interval."""
    left, right = node.this, node.expression
    kind = type(node)
    if isinstance(right, exp.Anonymous) and right.name.lower() == "to_seconds":
        return _seconds_away(node)
    if of(left, T.DATE) and of(right, T.DATE) and kind is exp.Sub:
        return exp.cast(call("datediff", left, right), T.BIGINT)
    if of(left, *TEMPORAL) and of(right, *TEMPORAL):
        refuse("the difference of two times as an interval", node)
    is_plain = (
        (_is_number(left) and _is_number(right))
        or (of(left, T.DATE) and of(right, T.INT, T.SMALLINT, T.TINYINT))
        or (of(left, T.TIMESTAMPTZ, T.TIMESTAMP, T.TIMESTAMPNTZ) and isinstance(right, exp.Interval))
    )
    if not is_plain:
        refuse("+ or - of these types", node)
    return kind(this=left.copy(), expression=right.copy())


def _is_number(node: exp.Expr) -> bool:
    return of(node, *NUMBERS) or isinstance(node, exp.Null)


def _seconds_away(node: exp.Expr) -> exp.Expr:
    """`time - to_seconds(x)`: microseconds are rounded half to even, where Spark's intervals round up."""
    seconds = node.expression.expressions[0]
    if not of(node.this, T.TIMESTAMPTZ) or not of(seconds, *NUMBERS):
        refuse("to_seconds other than of a number, beside a time with zone", node)
    micros = exp.cast(call("rint", binary(exp.Mul, as_double(seconds), number("1000000D"))), T.BIGINT)
    return call("timestamp_micros", type(node)(this=call("unix_micros", node.this), expression=micros))
