"""What the routes answer from, put together once at the start: stores, vehicle registry, contracts,
limits."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request

from contracts.access import Principal, Scope, Vehicles
from contracts.problem import Kind, Problem
from contracts.registry import Registry
from lake.alert_reader import AlertReader
from lake.live import LiveSelect
from lake.reading import Mart
from lake.settings import LakeSettings
from lake.state_reader import StateReader
from serving.asking import Asking
from serving.cursor import Seal
from serving.parameters import Windows
from serving.settings import ServingSettings

EVERY = "*"
"""Instead of ids, where positions of all vehicles were read."""


@dataclass(frozen=True, slots=True)
class SinkState:
    """How far a sink is behind Kafka; `is_running` is None where this machine cannot tell."""

    sink: str
    lag: int
    is_running: bool | None


class Sinks(Protocol):
    """The question to Kafka. May take seconds, and may fail with a BrokerError."""

    def __call__(self) -> Sequence[SinkState]: ...


AnomalySelect = Callable[[str], str]
"""The anomalies among readings: one SELECT over a relation with the columns of silver."""


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that a route needs."""

    settings: ServingSettings
    lake_settings: LakeSettings
    live: LiveSelect
    state: StateReader
    alerts: AlertReader
    asking: Asking
    registry: Registry
    vehicles: Vehicles
    models: Mapping[str, str | None]
    """Every registered vehicle, and its model where it is known."""
    marts: Mapping[str, Mart]
    anomalies_of: AnomalySelect
    sinks: Sinks
    seal: Seal
    now_us: Callable[[], int]
    stopping: Callable[[], bool]

    @property
    def windows(self) -> Windows:
        return Windows(self.settings.window_days)

    def limit(self, asked: int | None) -> int:
        """Rows of a page."""
        return min(asked or self.settings.page_rows, self.settings.page_limit)

    def seen(
        self, principal: Principal, vehicle: str | None = None, fleet: str | None = None
    ) -> frozenset[str] | None:
        """The vehicles that are asked for and theirs to see; None where it is every one. A vehicle that is
        not theirs is a `not-found` Problem."""
        if vehicle is not None:
            self.require_vehicle(principal, vehicle)
        allowed = self.vehicles.of(principal)
        if vehicle is not None:
            allowed = frozenset({vehicle})
        if fleet is None:
            return allowed
        of_fleet = frozenset(each for each in self.models if self.vehicles.fleet(each) == fleet)
        return of_fleet if allowed is None else of_fleet & allowed

    def require_vehicle(self, principal: Principal, vehicle: str) -> None:
        """A `not-found` Problem for a vehicle that is not theirs, as for one that does not exist."""
        if not self.vehicles.may_see(principal, vehicle):
            raise no_vehicle()


def no_vehicle() -> Problem:
    """Nothing is known of the vehicle, or it is not yours to see."""
    return Problem(Kind.NOT_FOUND, "there is no such vehicle")


def reader(request: Request) -> Principal:
    """Who asks; a `forbidden` Problem where they may not read."""
    principal: Principal = request.state.principal
    principal.require(Scope.READ)
    return principal


def whole_reader(request: Request) -> Principal:
    """Who asks for what is of all fleets together; a `forbidden` Problem where some are not theirs."""
    principal = reader(request)
    if principal.fleets is not None:
        raise Problem(Kind.FORBIDDEN, "this is of all fleets together, and the key is for some of them")
    return principal


def note_positions(request: Request, vehicles: Collection[str] | None) -> None:
    """For the audit log: whose positions this request reads; None where it is everybody's."""
    if not hasattr(request.state, "reads_positions"):
        request.state.reads_positions = []
    request.state.reads_positions.extend([EVERY] if vehicles is None else sorted(vehicles))
