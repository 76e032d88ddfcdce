"""Rules of values of any type: what they are compared with, cast to and written as."""

import re

from sqlglot import exp

from transforms.spark_form import (
    NESTED,
    NUMBERS,
    REAL,
    TEMPORAL,
    TEXT,
    TEXT_OF_NUMBER,
    WHOLE,
    T,
    call,
    number,
    of,
    rule,
)
from transforms.spark_types import refuse

DATE_TEXT = re.compile(r"\d{4}-\d\d-\d\d")
TIME_TEXT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d(:\d\d)?)?)?")


@rule(exp.EQ)
@rule(exp.NEQ)
@rule(exp.GT)
@rule(exp.GTE)
@rule(exp.LT)
@rule(exp.LTE)
@rule(exp.NullSafeEQ)
@rule(exp.NullSafeNEQ)
def comparison(node: exp.Expr) -> exp.Expr:
    """A text that stands there is of the other side's type. In structs DuckDB's null is a value, and the
    greatest."""
    left, right = _alike(node, [node.this, node.expression])
    found = node.copy()
    found.set("this", left)
    found.set("expression", right)
    if isinstance(node, exp.NullSafeNEQ):
        return exp.Not(this=exp.Paren(this=exp.NullSafeEQ(this=left, expression=right)))
    return found


@rule(exp.Between)
def between(node: exp.Expr) -> exp.Expr:
    """As two comparisons."""
    value, low, high = _alike(node, [node.this, node.args["low"], node.args["high"]])
    return exp.Between(this=value, low=low, high=high)


@rule(exp.Coalesce)
@rule(exp.Nullif)
@rule(exp.Greatest)
@rule(exp.Least)
def one_of(node: exp.Expr) -> exp.Expr:
    """`greatest` and `least` leave out nulls, in both."""
    parts = [part for part in node.iter_expressions()]
    for part, same in zip(parts, _alike(node, parts), strict=True):
        part.replace(same)
    return node


@rule(exp.In)
def one_of_many(node: exp.Expr) -> exp.Expr:
    """Of a list, of a subquery of one column, or of a list that is a parameter."""
    query = node.args.get("query")
    if query is None:
        if node.args.get("unnest") or node.args.get("field"):
            refuse("in other than a list or a subquery", node)
        value, *values = _alike(node, [node.this, *node.expressions])
        return exp.In(this=value, expressions=values)
    if isinstance(node.this, exp.Tuple) or of(node.this, *NESTED):
        refuse("in of several columns, whose nulls are values in DuckDB", node)
    rows = query.unnest()
    only = rows.selects[0].unalias() if isinstance(rows, exp.Select) and len(rows.selects) == 1 else None
    if isinstance(only, exp.Anonymous) and only.name == "explode" and not rows.args.get("from_"):
        values = only.expressions[0]
        is_empty = exp.EQ(
            this=exp.Coalesce(this=call("size", values), expressions=[number(0)]), expression=number(0)
        )
        found = call("array_contains", values, node.this)
        return exp.Case(ifs=[exp.If(this=is_empty, true=exp.false())], default=found)
    if not _only_true_counts(node):
        refuse("in of a subquery whose null is asked for, where Spark says false", node)
    if isinstance(rows, exp.Select) and _family(node.this) != _family(rows.selects[0]):
        refuse("in a subquery of another type", node)
    return node


def _only_true_counts(node: exp.Expr) -> bool:
    """Whether a row is chosen where this is true, and null is as good as false; `not` stands right before it,
    and beside nothing that saves the row."""
    place = _above(node, exp.Paren)
    negation = place.parent
    if isinstance(negation, exp.Not):
        place = _above(negation, exp.And, exp.Paren)
    else:
        place = _above(place, exp.And, exp.Or, exp.Paren)
    return isinstance(place.parent, exp.Where) and isinstance(place.parent.parent, exp.Select)


def _above(node: exp.Expr, *kinds: type[exp.Expr]) -> exp.Expr:
    """The outermost of what stands around it and is of these kinds."""
    while isinstance(node.parent, kinds):
        node = node.parent
    return node


@rule(exp.Case)
def case(node: exp.Expr) -> exp.Expr:
    """Its results are of one type, and what it compares are."""
    asked, branches = node.this, node.args["ifs"]
    if asked is not None:
        found = _alike(node, [asked, *(branch.this for branch in branches)])
        node.set("this", found[0])
        for branch, same in zip(branches, found[1:], strict=True):
            branch.set("this", same)
    _one_family(node, [*(branch.args["true"] for branch in branches), node.args.get("default")])
    return node


@rule(exp.If)
def choice(node: exp.Expr) -> exp.Expr:
    """As `case`; those within one are looked at there."""
    if not isinstance(node.parent, exp.Case):
        _one_family(node, [node.args["true"], node.args.get("false")])
    return node


@rule(exp.Union)
def union(node: exp.Expr) -> exp.Expr:
    """Of columns of the same types."""
    if not isinstance(node, exp.Union) or node.args.get("by_name"):
        refuse("this union", node)
    for pair in zip(node.this.selects, node.expression.selects, strict=True):
        _one_family(node, [column.unalias() for column in pair])
    return node


def _one_family(node: exp.Expr, parts: list[exp.Expr | None]) -> None:
    given = [part for part in parts if part is not None and not isinstance(part, exp.Null | exp.Placeholder)]
    kinds = {"struct" if of(part, T.STRUCT) else _family(part) for part in given}
    if len(kinds) > 1:
        refuse(f"{' or '.join(sorted(kinds))}, as it happens", node)


def _alike(node: exp.Expr, parts: list[exp.Expr]) -> list[exp.Expr]:
    """The same with texts that stand there as what the others are."""
    others = [part for part in parts if not _is_open(part)]
    if any(of(part, *NESTED) for part in others):
        refuse("a comparison of structs or lists", node)
    kinds = {_family(part) for part in others}
    if len(kinds) > 1:
        refuse(f"a comparison of {' with '.join(sorted(kinds))}", node)
    if not others or kinds == {"text"}:
        return [part.copy() for part in parts]
    is_text = [isinstance(part, exp.Literal) and part.is_string for part in parts]
    kind = others[0].type or exp.DataType(this=T.UNKNOWN)
    return [
        _cast_text(part, kind) if text else part.copy() for part, text in zip(parts, is_text, strict=True)
    ]


def _is_open(part: exp.Expr) -> bool:
    """Takes the type of what it is compared with."""
    return isinstance(part, exp.Placeholder | exp.Null) or (isinstance(part, exp.Literal) and part.is_string)


def _family(part: exp.Expr) -> str:
    for name, kinds in {"numbers": NUMBERS, "times": TEMPORAL, "text": TEXT, "bool": {T.BOOLEAN}}.items():
        if of(part, *kinds):
            return name
    return refuse("a comparison of this type", part)


@rule(exp.Cast)
@rule(exp.TryCast)
def cast(node: exp.Expr) -> exp.Expr:
    """Of doubles to whole numbers half to even, of decimals half away from zero; Spark cuts off both."""
    value, to = node.this, node.args["to"]
    kind = exp.DataType(this=T.TIMESTAMPNTZ) if to.this is T.TIMESTAMP else to.copy()
    if isinstance(value, exp.Literal) and value.is_string and to.this not in TEXT:
        return _cast_text(value, kind)
    if isinstance(value, exp.Placeholder | exp.Null) or (of(value, to.this) and to.this is not T.DECIMAL):
        return _as(node, value, kind)
    if of(value, *REAL) and to.this in WHOLE:
        return _as(node, call("rint", value), kind)
    if of(value, T.DECIMAL) and to.this in WHOLE:
        return _as(node, call("round", value), kind)
    if to.this in TEXT:
        return text_of(value)
    if (of(value, *WHOLE) and to.this in NUMBERS) or (of(value, T.DECIMAL, T.FLOAT) and to.this is T.DOUBLE):
        return _as(node, value, kind)
    if of(value, *TEMPORAL) and to.this in TEMPORAL:
        return _as(node, value, kind)
    return refuse(f"a cast to {to.sql('duckdb')} of this type", node)


def _as(node: exp.Expr, value: exp.Expr, kind: exp.DataType) -> exp.Expr:
    found = node.copy()
    found.set("this", value.copy())
    found.set("to", kind)
    return found


def _cast_text(text: exp.Expr, kind: exp.DataType) -> exp.Expr:
    known = text.name
    if kind.this in TEMPORAL:
        is_fit = (DATE_TEXT if kind.this is T.DATE else TIME_TEXT).fullmatch(known) is not None
    elif kind.this in NUMBERS:
        is_fit = re.fullmatch(r"[+-]?(\d+(\.\d+)?|infinity|nan)", known, re.IGNORECASE) is not None
        is_fit = is_fit and (kind.this is T.DOUBLE or re.fullmatch(r"[+-]?\d+", known) is not None)
    else:
        is_fit = False
    if not is_fit:
        refuse(f"the text {known!r} as {kind.sql('duckdb')}", text)
    return exp.Cast(this=text.copy(), to=kind.copy())


def text_of(value: exp.Expr) -> exp.Expr:
    """As DuckDB writes a value. Numbers with a fraction Spark writes in Java's way (1.0E7)."""
    if of(value, *TEXT):
        return value.copy()
    if of(value, T.DOUBLE):
        return call(TEXT_OF_NUMBER, value)
    if of(value, *WHOLE, T.BOOLEAN, T.DATE):
        return exp.cast(value.copy(), T.TEXT)
    return refuse("a value of this type as text", value)


@rule(exp.ConcatWs)
def joined(node: exp.Expr) -> exp.Expr:
    """Leaves out nulls, in both."""
    separator, *values = node.expressions
    return call("concat_ws", separator, *(text_of(value) for value in values))


@rule(exp.DPipe)
def concatenated(node: exp.Expr) -> exp.Expr:
    """With a null it is null, in both."""
    return call("concat", text_of(node.this), text_of(node.expression))


@rule(exp.Left)
def left(node: exp.Expr) -> exp.Expr:
    """A number below zero means another thing in DuckDB."""
    count = node.expression
    if not (isinstance(count, exp.Literal) and count.is_int):
        refuse("left of a count that is not written there", node)
    return call("left", node.this, count)


@rule(exp.SHA2)
def sha256(node: exp.Expr) -> exp.Expr:
    """Of a text, in lower case."""
    length = node.args.get("length")
    if not of(node.this, *TEXT) or (length is not None and length.name != "256"):
        refuse("a hash other than sha256 of a text", node)
    return call("sha2", node.this, number(256))


@rule(exp.Chr)
def character(node: exp.Expr) -> exp.Expr:
    """Of ASCII; Spark knows no other."""
    code = node.expressions[0]
    if not (isinstance(code, exp.Literal) and code.is_int and int(code.this) < 128):
        refuse("chr of other than a code of ASCII", node)
    return call("chr", code)
