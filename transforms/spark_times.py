"""Rules of times: to the microsecond, and in UTC."""

from sqlglot import exp

from transforms.spark_form import TEMPORAL, T, binary, call, function, number, of, rule
from transforms.spark_types import refuse

TRUNCATED_TO = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"})
PARTS = frozenset({"YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE"})
MICROSECONDS = {"SECOND": 10**6, "MINUTE": 60 * 10**6, "HOUR": 3600 * 10**6, "DAY": 86400 * 10**6}
BUCKETS_FROM = 946_857_600_000_000
"""2000-01-03, from which DuckDB counts buckets of less than a month, in microseconds."""


@rule(exp.TimeToUnix)
def epoch(node: exp.Expr) -> exp.Expr:
    """Seconds, added up of milliseconds and microseconds as DuckDB does it: to the last bit the same."""
    if not of(node.this, T.TIMESTAMPTZ):
        refuse("epoch of other than a time with zone", node)
    micros = call("pmod", call("unix_micros", node.this), number("1000L"))
    millis = exp.Div(this=exp.cast(call("unix_millis", node.this), T.DOUBLE), expression=number("1000D"))
    return binary(exp.Add, millis, exp.Div(this=exp.cast(micros, T.DOUBLE), expression=number("1000000D")))


@function("epoch_us")
def epoch_us(node: exp.Expr) -> exp.Expr:
    """Microseconds."""
    if not of(node.expressions[0], T.TIMESTAMPTZ):
        refuse("epoch_us of other than a time with zone", node)
    return call("unix_micros", node.expressions[0])


@function("to_seconds")
def to_seconds(node: exp.Expr) -> exp.Expr:
    """Is part of a sum or a difference, and translated with it."""
    if not isinstance(node.parent, exp.Add | exp.Sub) or node.arg_key != "expression":
        refuse("to_seconds other than added to a time, or taken from it", node)
    return node


@rule(exp.TimestampTrunc)
@rule(exp.DateTrunc)
def truncated(node: exp.Expr) -> exp.Expr:
    """Of a date DuckDB gives a time without zone, Spark one with."""
    unit = node.args["unit"].name.upper()
    if unit not in TRUNCATED_TO or not of(node.this, *TEMPORAL):
        refuse("date_trunc to this unit, or of this type", node)
    found = call("date_trunc", exp.Literal.string(unit), node.this)
    return found if of(node.this, T.TIMESTAMPTZ) else exp.cast(found, T.TIMESTAMPNTZ)


@rule(exp.DateBin)
def bucket(node: exp.Expr) -> exp.Expr:
    """`time_bucket` of a width below a month counts from a Monday, 2000-01-03."""
    width = node.this
    unit = width.args["unit"].name.upper().rstrip("S") if isinstance(width, exp.Interval) else ""
    if unit not in MICROSECONDS or not width.this.name.isdigit() or not of(node.expression, T.TIMESTAMPTZ):
        refuse("time_bucket other than of a time with zone, of whole seconds to days", node)
    micros = call("unix_micros", node.expression)
    since = binary(exp.Sub, micros, number(f"{BUCKETS_FROM}L"))
    into = call("pmod", since, number(f"{int(width.this.name) * MICROSECONDS[unit]}L"))
    return call("timestamp_micros", exp.Sub(this=micros, expression=into))


@rule(exp.AtTimeZone)
def at_time_zone(node: exp.Expr) -> exp.Expr:
    """Of a time with zone: what clocks showed there. The other way two answers are right once a year."""
    if not of(node.this, T.TIMESTAMPTZ):
        refuse("at time zone other than of a time with zone", node)
    shown = exp.cast(node.this.copy(), T.TIMESTAMPNTZ)
    zone = node.args["zone"]
    if isinstance(zone, exp.Literal) and zone.name == "UTC":
        return shown
    return call("convert_timezone", exp.Literal.string("UTC"), zone, shown)


@rule(exp.Extract)
def extracted(node: exp.Expr) -> exp.Expr:
    """A whole number of DuckDB's 64 bits; seconds have a fraction in Spark."""
    return _extracted(node, node.name.upper(), node.expression)


@rule(exp.Hour)
@rule(exp.Minute)
@rule(exp.Day)
@rule(exp.Month)
@rule(exp.Year)
def named_part(node: exp.Expr) -> exp.Expr:
    """`hour(time)` and its like."""
    return _extracted(node, node.key.upper(), node.this)


def _extracted(node: exp.Expr, part: str, time: exp.Expr) -> exp.Expr:
    if part not in PARTS or not of(time, *TEMPORAL):
        refuse("this part of this type", node)
    return exp.cast(call(part.lower(), time), T.BIGINT)


@rule(exp.DayOfWeekIso)
def day_of_week(node: exp.Expr) -> exp.Expr:
    """1 is Monday; Spark counts from 0."""
    if not of(node.this, *TEMPORAL):
        refuse("isodow of this type", node)
    return exp.cast(exp.Add(this=call("weekday", node.this), expression=number(1)), T.BIGINT)


@rule(exp.Interval)
def interval(node: exp.Expr) -> exp.Expr:
    """Of a length that is written there."""
    if not isinstance(node.this, exp.Literal) or not isinstance(node.args.get("unit"), exp.Var):
        refuse("an interval whose length is not written there", node)
    return node
