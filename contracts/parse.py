"""From bytes to one JSON object, strictly by RFC 8259, with bounds that hold before any parser recurses."""

import json
import re
import threading
from collections import Counter
from typing import Any, Final, NamedTuple, NoReturn

from contracts.limits import Limits
from contracts.reasons import Reason
from contracts.result import Refused

_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""Brackets outside of texts. A text without an end reaches to the message's end: each byte is read once."""
_EXACT_DIGITS: Final = 19
"""Integers of more digits are read as doubles at once: Python refuses to parse very long ones."""


class ParsedObject(NamedTuple):
    """A JSON object. A key given twice has its last value, and is listed."""

    fields: dict[str, Any]
    duplicates: tuple[str, ...]


def parse_object(payload: bytes | None, limits: Limits) -> ParsedObject | Refused:
    """Never raises on input."""
    if payload is None:
        return Refused(Reason.MALFORMED_JSON, "the payload is null")
    if refused := too_large(payload, limits):
        return refused
    if _deeper_than(payload, limits.depth):
        return Refused(Reason.TOO_LARGE, f"objects and arrays are nested deeper than {limits.depth}")
    try:
        root, duplicates = _PARSER.parse(payload.decode("utf-8"))
        if b"\\u" in payload:
            json.dumps(root, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text
    except ValueError as error:
        return Refused(Reason.MALFORMED_JSON, str(error))
    if not isinstance(root, dict):
        return Refused(Reason.NOT_AN_OBJECT, f"the message is {kind_of(root)}, not an object")
    return ParsedObject(root, duplicates)


def too_large(payload: bytes, limits: Limits) -> Refused | None:
    """What is wrong with a message of so many bytes, before anybody reads them; None where nothing is."""
    if len(payload) <= limits.message_bytes:
        return None
    size = f"{len(payload)} bytes, at most {limits.message_bytes}"
    return Refused(Reason.TOO_LARGE, f"the message has {size}")


def kind_of(value: object) -> str:
    """JSON's word for a value's type."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "an array"
        case _:
            return "an object"


class _Parser(threading.local):
    """Python's own JSON parser, made once a thread: strict, and it tells of keys given twice."""

    def __init__(self) -> None:
        self._duplicates: list[str] = []
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._build, parse_int=_number, parse_constant=_refuse_constant
        )

    def parse(self, text: str) -> tuple[Any, tuple[str, ...]]:
        """The value, and which keys an object has twice."""
        self._duplicates = []
        root = self._decoder.decode(text)
        return root, tuple(dict.fromkeys(self._duplicates)) if self._duplicates else ()

    def _build(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) != len(pairs):
            counts = Counter(key for key, _ in pairs)
            self._duplicates.extend(key for key, count in counts.items() if count > 1)
        return built


def _number(token: str) -> int | float:
    return int(token) if len(token) <= _EXACT_DIGITS else float(token)


def _refuse_constant(token: str) -> NoReturn:
    msg = f"{token} is no JSON"
    raise ValueError(msg)


_PARSER: Final = _Parser()


def _deeper_than(payload: bytes, depth: int) -> bool:
    if payload.count(b"{") + payload.count(b"[") <= depth:
        return False
    level = 0
    for match in _BRACKETS.finditer(payload):
        match match.group():
            case b"{" | b"[":
                level += 1
                if level > depth:
                    return True
            case b"}" | b"]":
                level -= 1
    return False
