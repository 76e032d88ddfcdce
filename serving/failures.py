"""What goes wrong behind a route, as its client is told: the parameter that is not understood, the store
that is away. Addresses, paths and classes stay in the log."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from contracts.problem import Kind, Problem
from lake.errors import AccessDenied, BadAddress, BadLocation, FileGone, StateRefused, TableMissing, Transient
from lake.reading import QuestionEnded
from serving.asking import ClientGone

Handler = Callable[[Request, Exception], Awaitable[Response]]

AWAY = (Transient, AccessDenied, BadAddress, BadLocation, FileGone, StateRefused, TableMissing, QuestionEnded)
"""The store will answer when it is back, or somebody has repaired it: nothing is wrong with the request."""

RETRY_AFTER_SECONDS = "5"
LONGEST_PROBLEM = 200
CLOSED = 499
"""What proxies log for a client that went away; nobody reads this answer."""


def handlers(given: Mapping[type[Exception], Any]) -> dict[int | type[Exception], Any]:
    """Those of the interface, and ours, which end in its way of showing a Problem."""
    show = cast("Handler", given[Problem])

    async def on_invalid(request: Request, error: Exception) -> Response:
        return await show(request, _invalid(cast("RequestValidationError", error)))

    async def on_away(request: Request, error: Exception) -> Response:
        structlog.get_logger().warning("store_away", path=request.url.path, reason=str(error))
        return await show(request, away())

    async def on_gone(request: Request, error: Exception) -> Response:
        del request, error
        return Response(status_code=CLOSED)

    ours: dict[type[Exception], Handler] = dict.fromkeys(AWAY, on_away)
    found: dict[int | type[Exception], Any] = {}
    for kind, handler in (*given.items(), *ours.items()):
        found[kind] = handler
    return found | {RequestValidationError: on_invalid, ClientGone: on_gone}


def away() -> Problem:
    """A store does not answer."""
    return Problem(
        Kind.UNAVAILABLE,
        "the lake or MongoDB does not answer now: ask again",
        headers={"Retry-After": RETRY_AFTER_SECONDS},
    )


def _invalid(error: RequestValidationError) -> Problem:
    found = [_told(each) for each in error.errors()[:20]]
    names = ", ".join(dict.fromkeys(each["name"] or f"the {each['in']}" for each in found)) or "the request"
    return Problem(Kind.INVALID_REQUEST, f"{names} cannot be taken as it is", errors=found)


def _told(detail: Mapping[str, Any]) -> dict[str, str]:
    """Without the value: it is the client's, and may be anything."""
    place, *names = [str(part) for part in detail["loc"]]
    if detail["type"] == "json_invalid":  # what stands for a name is the place of the fault
        at = f"character {''.join(names)}"
        return {"in": place, "name": "", "problem": f"it is no JSON: {detail['ctx']['error']}, {at}"}
    problem = str(detail["msg"])[:LONGEST_PROBLEM]
    return {"in": place, "name": ".".join(names)[:LONGEST_PROBLEM], "problem": problem}
