"""What is written down of a request: one line for each, and who has read the positions of which vehicles. That
line is written before the first byte of an answer leaves: a process that is killed owes none."""

from collections.abc import Callable

from starlette.types import Scope

from fleetlake.web.answer import Answer
from fleetlake.web.asked import Asked
from fleetlake.web.body import Body
from fleetlake.web.own_routes import OwnRoutes
from ingest.process import Log

PATH_LENGTH = 300
CLIENT_LEFT = 499
"""Instead of a status, for a client that was gone before there was one."""


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
    ) -> None:
        self._log, self._asked, self._scope = log, asked, scope
        self._body, self._answer, self._route = body, answer, route
        self._told = 0

    @property
    def status(self) -> int:
        """What was answered, if anybody was there to hear it."""
        return CLIENT_LEFT if self._body.sender_left else self._answer.status or CLIENT_LEFT

    def positions_read(self) -> None:
        """The audit line, of what a route has named since the last one: a live stream names more as it goes."""
        vehicles = self._scope["state"]["reads_positions"][self._told :]
        if not vehicles:
            return
        self._told += len(vehicles)
        self._log.info("positions_read", vehicles=vehicles, **self._who(), status=self.status)

    def finish(self, seconds: float) -> None:
        """The request's own line. What only asks whether the process lives is not worth one."""
        self.positions_read()
        if self._asked.path in OwnRoutes.PATHS and self.status == 200:
            return
        self._log.info(
            "request",
            **self._who(),
            method=self._asked.method,
            path=self._asked.path[:PATH_LENGTH],
            status=self.status,
            ms=round(seconds * 1000, 1),
            bytes=self._answer.bytes,
        )

    def _who(self) -> dict[str, object]:
        principal = self._scope["state"].get("principal")
        return {
            "principal": None if principal is None else principal.name,
            "client": self._asked.client,
            "route": self._route(),
            "request_id": self._asked.request_id,
        }
