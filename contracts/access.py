"""Who asks over HTTP, and what they may. Both interfaces, the gateway and the read API, decide by this."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from contracts.problem import Kind, Problem


class Scope(StrEnum):
    """What a key may be good for."""

    READ = "read"
    INGEST = "ingest"
    SQL = "sql"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a request is made for; `fleets` is None where all vehicles are theirs."""

    name: str
    scopes: frozenset[Scope]
    fleets: frozenset[str] | None = None

    def require(self, scope: Scope) -> None:
        """Raises a `forbidden` Problem where the scope is not theirs; an admin has all."""
        if not self.scopes & {scope, Scope.ADMIN}:
            raise Problem(Kind.FORBIDDEN, f"this key lacks the scope {scope}")


ANYBODY = Principal("anybody", frozenset(Scope))
"""Who asks where there is no authentication: only on the loopback address."""


class Vehicles:
    """Whose a vehicle is, by the vehicle registry. A vehicle that nobody registered is of no fleet: only who
    is not restricted sees it."""

    def __init__(self, fleets: Mapping[str, str | None]) -> None:
        self._fleets = dict(fleets)

    def fleet(self, vehicle_id: str) -> str | None:
        """The fleet of a vehicle; None where it is not registered, or registered without one."""
        return self._fleets.get(vehicle_id)

    def of(self, principal: Principal) -> frozenset[str] | None:
        """The vehicles that the principal may see; None where it is every one, registered or not."""
        if principal.fleets is None:
            return None
        return frozenset(vehicle for vehicle, fleet in self._fleets.items() if fleet in principal.fleets)

    def may_see(self, principal: Principal, vehicle_id: str) -> bool:
        """Whether the vehicle is theirs to see, or to send for."""
        return principal.fleets is None or self.fleet(vehicle_id) in principal.fleets
