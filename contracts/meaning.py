"""What a wire name means, resolved against the catalog, and how one value is read under that meaning."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from contracts.catalog import Catalog, SignalType
from contracts.limits import Limits
from contracts.model import Contract
from contracts.parse import kind_of
from contracts.parts import SignalField
from contracts.reasons import Reason
from contracts.result import Refused
from contracts.units import IDENTITY, Conversion, conversion

NUMERAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A number that comes as text, after white space around it is cut off."""

TRUTH: Final = {"true": 1.0, "on": 1.0, "yes": 1.0, "false": 0.0, "off": 0.0, "no": 0.0}
"""Texts that a bool signal accepts besides numerals, in any case."""

BLANKS: Final = " \t\r\n"


class Reading(NamedTuple):
    """An accepted value: a number, or a text."""

    value: float | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Meaning:
    """A canonical signal as one source writes it."""

    signal: str
    kind: SignalType
    unit: str = ""
    conversion: Conversion = IDENTITY
    minimum: float = -math.inf
    maximum: float = math.inf
    values: tuple[tuple[str, str], ...] = ()


Meanings = dict[str, "Meaning | dict[str, Meaning]"]


def meanings(contract: Contract, catalog: Catalog) -> Meanings:
    """Wire name -> meaning; for an object with several signals in it, its keys -> meaning."""
    found: Meanings = {}
    for wire, field in contract.fields.items():
        if field.parts:
            found[wire] = {part: _meaning(inner, catalog) for part, inner in field.parts.items()}
        else:
            found[wire] = _meaning(field, catalog)
    return found


def _meaning(field: SignalField, catalog: Catalog) -> Meaning:
    spec = catalog[field.signal or ""]
    lows = [low for low in (spec.minimum, field.minimum) if low is not None]
    highs = [high for high in (spec.maximum, field.maximum) if high is not None]
    return Meaning(
        signal=spec.name,
        kind=spec.type,
        unit=spec.unit,
        conversion=conversion(field.unit, spec.unit) or IDENTITY,
        minimum=max(lows, default=-math.inf),
        maximum=min(highs, default=math.inf),
        values=tuple(field.values.items()),
    )


def read_value(raw: Any, meaning: Meaning | None, limits: Limits) -> Reading | Refused | None:
    """The accepted value, why it is refused, or None where there is none.

    Absent are null, and the empty text where a number or bool is meant: fillers and empty CSV cells.
    """
    if raw is None:
        return None
    if meaning is None:
        return _unknown(raw, limits)
    match meaning.kind:
        case "number":
            return _number(raw, meaning)
        case "bool":
            return _bool(raw, meaning)
        case "text":
            return _text(raw, meaning, limits)


def _number(raw: Any, meaning: Meaning) -> Reading | Refused | None:
    wire = numeric(raw)
    if not isinstance(wire, float):
        return wire and _named(wire, meaning)
    value = meaning.conversion.to_canonical(wire)
    if not meaning.minimum <= value <= meaning.maximum or math.isinf(value):
        unit = f" {meaning.unit}" if meaning.unit else ""
        bounds = f"{meaning.minimum:.17g}..{meaning.maximum:.17g}{unit}"
        return Refused(Reason.OUT_OF_RANGE, f"{meaning.signal}: {value:.17g} is outside {bounds}")
    return Reading(value, None)


def _bool(raw: Any, meaning: Meaning) -> Reading | Refused | None:
    if isinstance(raw, str) and raw.strip(BLANKS).lower() in TRUTH:
        return Reading(TRUTH[raw.strip(BLANKS).lower()], None)
    value = numeric(raw)
    if not isinstance(value, float):
        return value and _named(value, meaning)
    if value not in (0.0, 1.0):
        return Refused(Reason.OUT_OF_RANGE, f"{meaning.signal}: {value:.17g} is neither 0 nor 1")
    return Reading(value + 0.0, None)


def _text(raw: Any, meaning: Meaning, limits: Limits) -> Reading | Refused:
    if isinstance(raw, (list, dict)):
        return Refused(Reason.BAD_TYPE, f"{meaning.signal}: {kind_of(raw)} is no text")
    text = raw if isinstance(raw, str) else json.dumps(raw)
    if len(text) > limits.text_chars:
        return Refused(Reason.TOO_LARGE, f"{meaning.signal}: {len(text)} characters of text")
    if not meaning.values:
        return Reading(None, text)
    for wire, canonical in meaning.values:
        if wire == text:
            return Reading(None, canonical)
    known = ", ".join(wire for wire, _ in meaning.values)
    return Refused(Reason.OUT_OF_RANGE, f"{meaning.signal}: {text:.40} is none of {known}")


def _unknown(raw: Any, limits: Limits) -> Reading | Refused:
    if isinstance(raw, (int, float)):
        value = float(raw) + 0.0
        return Reading(value, None) if math.isfinite(value) else _TOO_GREAT
    try:
        text = raw if isinstance(raw, str) else compact_json(raw)
    except ValueError:
        return _TOO_GREAT
    if len(text) > limits.text_chars:
        return Refused(Reason.TOO_LARGE, f"{len(text)} characters of text")
    return Reading(None, text)


_TOO_GREAT: Final = Refused(Reason.OUT_OF_RANGE, "a number beyond a double's range")


def numeric(raw: Any) -> float | Refused | None:
    """A number however it is written; None for the empty text."""
    if isinstance(raw, str):
        text = raw.strip(BLANKS)
        if not text:
            return None
        if NUMERAL.fullmatch(text) is None:
            return Refused(Reason.BAD_TYPE, f"{raw!r:.60} is no number")
        return float(text)
    if isinstance(raw, (int, float)):
        return float(raw)
    return Refused(Reason.BAD_TYPE, f"{kind_of(raw)} is no number")


def compact_json(value: Any) -> str:
    """Raises ValueError for numbers beyond a double's range, which JSON cannot write."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _named(refused: Refused, meaning: Meaning) -> Refused:
    return Refused(refused.reason, f"{meaning.signal}: {refused.detail}")
