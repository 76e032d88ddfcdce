"""What is written down of a request: one line for each, and who has read the positions of which vehicles.
That line is written before the part of an answer leaves: a process that is killed owes none."""

from collections.abc import Callable

from starlette.types import Scope

from fleetlake.web.answer import Answer
from fleetlake.web.asked import Asked
from fleetlake.web.body import Body
from fleetlake.web.limits import Buckets
from fleetlake.web.own_routes import OwnRoutes
from ingest.process import Log

PATH_LENGTH = 300
MOST_NAMED = 100
"""Vehicles of one line of the audit log."""

CLIENT_LEFT = 499
"""Instead of a status, for a client that was gone before there was one."""

TOO_MANY = 429
REFUSED_LINES_PER_SECOND = 1.0
REFUSED_LINES_AT_ONCE = 10
"""Lines of one place, for requests that are refused with 429: a flood of them must not become one of the log.
The metrics count all."""


class Journal:
    """The lines of one request."""

    def __init__(
        self,
        log: Log,
        asked: Asked,
        scope: Scope,
        body: Body,
        answer: Answer,
        route: Callable[[], str],
        lines_of_refused: Buckets,
    ) -> None:
        self._log, self._asked, self._scope = log, asked, scope
        self._body, self._answer, self._route = body, answer, route
        self._lines_of_refused = lines_of_refused
        self._told: set[str] = set()

    @property
    def status(self) -> int:
        """What was answered, if anybody was there to hear it."""
        return CLIENT_LEFT if self._body.sender_left else self._answer.status or CLIENT_LEFT

    def positions_read(self) -> None:
        """The audit line, of vehicles that the route has not named before."""
        named: list[str] = self._scope["state"]["reads_positions"]
        if not named:
            return
        vehicles = [each for each in dict.fromkeys(named) if each not in self._told]
        named.clear()  # a live stream may name them with every event
        if not vehicles:
            return
        self._told.update(vehicles)
        told = {"vehicles": vehicles} if len(vehicles) <= MOST_NAMED else self._counted(vehicles)
        self._log.info("positions_read", **told, **self._who(self._route()), status=self.status)

    def _counted(self, vehicles: list[str]) -> dict[str, object]:
        """A fleet is named instead of its vehicles: a page asks for all of them every second."""
        principal = self._scope["state"].get("principal")
        fleets = None if principal is None or principal.fleets is None else sorted(principal.fleets)
        return {"vehicles_read": len(vehicles), "fleets": fleets}

    def finish(self, route: str, seconds: float) -> None:
        """The request's own line. What only asks whether the process lives is not worth one, nor is each of
        many that were refused for being too many."""
        self.positions_read()
        if self._asked.path in OwnRoutes.PATHS and self.status == 200:
            return
        if self.status == TOO_MANY and self._lines_of_refused.take(self._asked.place):
            return
        self._log.info(
            "request",
            **self._who(route),
            method=self._asked.method,
            path=self._asked.path[:PATH_LENGTH],
            status=self.status,
            ms=round(seconds * 1000, 1),
            bytes=self._answer.bytes,
        )

    def _who(self, route: str) -> dict[str, object]:
        principal = self._scope["state"].get("principal")
        return {
            "principal": None if principal is None else principal.name,
            "client": self._asked.client,
            "route": route,
            "request_id": self._asked.request_id,
        }
