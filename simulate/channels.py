"""What one vehicle reports to one source: a channel per canonical signal, rounded as sensors round and held
within the range that the source's contract allows, as real sensors saturate."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from contracts.catalog import Catalog, SignalSpec, Threshold
from contracts.model import Contract
from contracts.parts import SignalField
from simulate.senses import COMBUSTION_ONLY, DECIMALS, ELECTRIC_ONLY

Value = float | str
Sense = Callable[..., Value]
"""Reads a subject: a car, a rig, a station."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One signal of one kind of subject."""

    signal: str
    sense: Sense
    decimals: int | None
    low: float
    high: float
    thresholds: tuple[Threshold, ...] = ()
    calm_above: float = -math.inf
    calm_below: float = math.inf
    """Between these no threshold is crossed."""

    def read(self, subject: object) -> Value:
        """What is sent: rounded, within range; texts as they are."""
        value = self.sense(subject)
        if isinstance(value, str):
            return value
        value = round(value, self.decimals)
        return value if self.low <= value <= self.high else self.low if value < self.low else self.high


def channels_of(contract: Contract, catalog: Catalog, senses: Mapping[str, Sense]) -> list[Channel]:
    """A channel for every signal the contract names; those that no sensor has are made up within range."""
    ranges = _fields_by_signal(contract)
    return [
        _channel(catalog[name], fields, contract, _sense(catalog[name], fields, senses))
        for name, fields in ranges.items()
    ]


def for_engine(channels: list[Channel], *, electric: bool) -> list[Channel]:
    """Without what a car with such an engine does not have."""
    without = COMBUSTION_ONLY if electric else ELECTRIC_ONLY
    return [channel for channel in channels if channel.signal not in without] or channels


def _fields_by_signal(contract: Contract) -> dict[str, list[SignalField]]:
    """Canonical signal -> the wire fields that carry it, in the contract's order."""
    found: dict[str, list[SignalField]] = {}
    for field in contract.fields.values():
        for leaf in field.parts.values() if field.parts else (field,):
            found.setdefault(leaf.signal or "", []).append(leaf)
    return found


def _sense(spec: SignalSpec, fields: list[SignalField], senses: Mapping[str, Sense]) -> Sense:
    """The sensor of that name. Where the contract knows certain texts only, others become its first."""
    sense = senses.get(spec.name)
    if sense is None:
        return invented(spec, fields)
    known = [text for field in fields for text in field.values.values()]
    if not known:
        return sense
    return lambda subject: text if (text := sense(subject)) in known else known[0]


def _channel(spec: SignalSpec, fields: list[SignalField], contract: Contract, sense: Sense) -> Channel:
    low, high = bounds(spec, fields)
    decimals = DECIMALS.get(spec.name, 2) or None
    thresholds = contract.thresholds.get(spec.name, spec.anomalies)
    return Channel(
        signal=spec.name,
        sense=sense,
        decimals=None if spec.type == "bool" else decimals,
        low=low,
        high=high,
        thresholds=thresholds,
        calm_above=max((one.limit for one in thresholds if one.op.startswith("<")), default=-math.inf),
        calm_below=min((one.limit for one in thresholds if one.op.startswith(">")), default=math.inf),
    )


def bounds(spec: SignalSpec, fields: list[SignalField]) -> tuple[float, float]:
    """The narrowest range of catalog and contract, in canonical units."""
    lows = [low for low in (spec.minimum, *(field.minimum for field in fields)) if low is not None]
    highs = [high for high in (spec.maximum, *(field.maximum for field in fields)) if high is not None]
    return max(lows, default=-math.inf), min(highs, default=math.inf)


def invented(spec: SignalSpec, fields: list[SignalField]) -> Sense:
    """A slow wave in the middle of the range, or the first text that the contract knows."""
    if spec.type == "text":
        texts = [text for field in fields for text in field.values.values()]
        text = texts[0] if texts else "ok"
        return lambda subject: text
    if spec.type == "bool":
        return lambda subject: float(int(subject.now) // 600 % 2)
    low, high = bounds(spec, fields)
    low, high = max(low, -1000.0), min(high, 1000.0)
    phase = blake2b(spec.name.encode(), digest_size=1).digest()[0]
    middle, swing = 0.5 * (low + high), 0.1 * (high - low)
    return lambda subject: middle + swing * math.sin(subject.now / 700.0 + phase)
