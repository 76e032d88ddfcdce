"""Values that rules compare readings with: numbers and texts, as the state has them. A boolean is 1 or 0."""

import operator
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final, Literal

Value = float | str
Op = Literal[">", ">=", "<", "<=", "==", "!="]

_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


def compare(value: Value, op: Op, other: Value) -> bool:
    """Whether it holds; a text and a number are never compared by size, and are not equal."""
    if isinstance(value, str) is not isinstance(other, str):
        return op == "!="
    return _COMPARE[op](value, other)


def read_value(raw: object) -> Value:
    """What YAML has as a value of a rule."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, int | float) and isfinite(raw):
        return float(raw)
    msg = "is neither a number nor a text"
    raise ValueError(msg)


def value_text(value: Value | None) -> str:
    """For people: no digits that say nothing."""
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else f"{value:.10g}"
