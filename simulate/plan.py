"""From what a user asks for to what each source does: its share of the rate and of the count, how often a
vehicle reports, when simulated time begins. Pure arithmetic; whatever cannot be met is refused here."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from contracts.model import Contract
from contracts.registry import Registry
from simulate.errors import BadRequest, UnknownSource

DEFAULT_INTERVAL_S: Final = 1.0
US: Final = 1_000_000
ALL: Final = "all"
SLACK_SPANS, SLACK_S = 3.0, 3 * 3600.0
"""How much further than needed a fast run begins in the past: vehicles that sleep send nothing, and simulated
time must not pass the present."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of all messages, 0..1. A message is at most one of these."""

    anomalies: float = 0.05
    invalid: float = 0.02
    bad_signals: float = 0.01
    late: float = 0.01
    duplicates: float = 0.01
    out_of_order: float = 0.01

    def check(self) -> None:
        """Raises BadRequest for what is no share."""
        total = 0.0
        for field in fields(self):
            share = getattr(self, field.name)
            total += share
            if not 0.0 <= share <= 1.0:
                raise BadRequest(option(field.name), f"{share} is no share, write a number from 0 to 1")
        if total > 1.0 + 1e-9:
            raise BadRequest(option("shares"), f"they add up to {total:g}; a message is at most one of them")


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asks for. `rate` is messages a second of all sources together, 0 without pacing;
    `interval_s` simulated seconds between two messages of a vehicle, None for as many as the rate makes."""

    sources: tuple[str, ...] = (ALL,)
    vehicles: int = 10
    first_vehicle: int = 0
    sensors: int = 1000
    rate: float = 100.0
    interval_s: float | None = None
    count: int | None = None
    duration_s: float | None = None
    start_us: int | None = None
    present_us: int = 0
    seed: int = 1
    late_by_s: float = 300.0
    shares: Shares = Shares()


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """What one source does."""

    contract: Contract
    vehicles: int
    first_vehicle: int
    sensors: int
    interval_s: float
    constant_rate: bool
    quota: int | None
    duration_s: float | None
    start_us: int
    present_us: int
    seed: int
    late_by_s: float
    shares: Shares


@dataclass(frozen=True, slots=True)
class Plan:
    """All sources, and how many seconds of the clock one simulated second takes: 0 for as fast as it goes."""

    sources: tuple[SourcePlan, ...]
    start_us: int
    pace: float


def plan(request: Request, registry: Registry) -> Plan:
    """Raises BadRequest or UnknownSource for what cannot be met."""
    _check(request)
    weights = _weights(request.sources, registry)
    total = sum(weights.values())
    intervals = {name: _interval(request, weight / total, len(weights)) for name, weight in weights.items()}
    quotas = _quotas(request.count, weights)
    start_us = _start(request, intervals)
    sources = tuple(
        SourcePlan(
            contract=registry.contracts[name],
            vehicles=request.vehicles,
            first_vehicle=request.first_vehicle,
            sensors=request.sensors,
            interval_s=intervals[name],
            constant_rate=request.interval_s is None and request.rate > 0.0,
            quota=quotas.get(name),
            duration_s=request.duration_s,
            start_us=start_us,
            present_us=request.present_us,
            seed=request.seed,
            late_by_s=request.late_by_s,
            shares=request.shares,
        )
        for name in weights
    )
    simulated_rate = _simulated_rate(request, intervals)
    return Plan(sources, start_us, simulated_rate / request.rate if request.rate else 0.0)


def option(name: str) -> str:
    """The command-line option of a field."""
    return f"--{name.removesuffix('_s').replace('_', '-')}"


def _check(request: Request) -> None:
    request.shares.check()
    for name in ("vehicles", "sensors"):
        if getattr(request, name) < 1:
            raise BadRequest(option(name), "at least 1 is needed")
    for name in ("first_vehicle", "rate"):
        if getattr(request, name) < 0:
            raise BadRequest(option(name), "must not be negative")
    for name in ("interval_s", "count", "duration_s", "late_by_s"):
        value = getattr(request, name)
        if value is not None and value <= 0:
            raise BadRequest(option(name), "must be greater than 0")
    if request.rate == 0 and request.count is None and request.duration_s is None:
        raise BadRequest(option("rate"), "0 needs an end: --count or --duration")


def _weights(sources: Sequence[str], registry: Registry) -> dict[str, float]:
    """`NAME` or `NAME=WEIGHT`, and `all`."""
    weights: dict[str, float] = {}
    for source in sources:
        name, equals, weight = source.partition("=")
        try:
            share = float(weight) if equals else 1.0
        except ValueError:
            share = 0.0
        if not 0.0 < share < float("inf"):
            raise BadRequest(option("source"), f"{source!r}: write NAME or NAME=WEIGHT, such as tcu=3")
        if name != ALL and name not in registry.contracts:
            raise UnknownSource(name, registry.contracts)
        for each in registry.contracts if name == ALL else (name,):
            weights[each] = share
    return weights


def _interval(request: Request, share: float, sources: int) -> float:
    """Simulated seconds between two messages of one vehicle. Copies count as messages, so the others make
    room for them."""
    if request.interval_s is None and request.rate > 0.0:
        return request.vehicles * (1.0 + request.shares.duplicates) / (request.rate * share)
    return (request.interval_s or DEFAULT_INTERVAL_S) / (share * sources)


def _quotas(count: int | None, weights: dict[str, float]) -> dict[str, int]:
    """Whole numbers that add up to the count, by largest remainder."""
    if count is None:
        return {}
    total = sum(weights.values())
    exact = {name: count * weight / total for name, weight in weights.items()}
    quotas = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: quotas[name] - exact[name])
    for name in by_remainder[: count - sum(quotas.values())]:
        quotas[name] += 1
    return quotas


def _simulated_rate(request: Request, intervals: dict[str, float]) -> float:
    """Messages of all sources in one simulated second, while all vehicles are awake."""
    copies = 1.0 + request.shares.duplicates
    return sum(copies * request.vehicles / interval for interval in intervals.values())


def _start(request: Request, intervals: dict[str, float]) -> int:
    """When the user says; now where simulated time passes as real time does; else so that it ends before."""
    if request.start_us is not None:
        if request.start_us > request.present_us:
            raise BadRequest(option("start"), "lies in the future; messages from there are rejected")
        return request.start_us
    if request.interval_s is None and request.rate > 0.0:
        return request.present_us
    by_count = (request.count or 0) / _simulated_rate(request, intervals)
    span = max(by_count * SLACK_SPANS + SLACK_S if request.count else 0.0, request.duration_s or 0.0)
    return request.present_us - int((span or SLACK_S) * US)
