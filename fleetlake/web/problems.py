"""Problems as answers: `application/problem+json` (RFC 9457) for whatever goes wrong in an application, and
nothing of the inside in any of them. What went wrong inside is in the log, under the `request_id`."""

import json
from collections.abc import Awaitable, Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from contracts.problem import MEDIA_TYPE, STATUS, Kind, Problem

Handler = Callable[[Request, Exception], Awaitable[Response]]

KINDS: Mapping[int, Kind] = {
    **{status: kind for kind, status in STATUS.items()},
    400: Kind.INVALID_REQUEST,
    422: Kind.INVALID_REQUEST,
}
"""What the framework's own errors mean. Those it has no kind for are the client's or ours."""

DETAILS: Mapping[Kind, str] = {
    Kind.NOT_FOUND: "there is no such route",
    Kind.METHOD_NOT_ALLOWED: "this route has another method",
    Kind.UNAVAILABLE: "not available now: ask again",
}


def internal(request_id: str | None) -> Problem:
    """What a client learns of a defect."""
    return Problem(Kind.INTERNAL, "a defect; the log has more under this request_id", request_id=request_id)


def body_of(problem: Problem) -> bytes:
    """The document as it is sent."""
    return json.dumps(problem.document(), separators=(",", ":")).encode()


def rendered(problem: Problem) -> Response:
    """The answer that says it."""
    return Response(body_of(problem), problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def problem_of(error: HTTPException) -> Problem:
    """The framework's error as a Problem. Its own words are kept where they are about the request."""
    fallback = Kind.INVALID_REQUEST if error.status_code < 500 else Kind.INTERNAL
    kind = KINDS.get(error.status_code, fallback)
    if kind is Kind.INTERNAL:
        return internal(None)
    return Problem(kind, DETAILS.get(kind, str(error.detail)), headers=error.headers)


async def _on_problem(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, Problem)  # noqa: S101 - handlers are registered by type
    return rendered(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    if error.status_code < 400:
        return Response(status_code=error.status_code, headers=error.headers)
    problem = problem_of(error)
    return await _on_defect(request, error) if problem.kind is Kind.INTERNAL else rendered(problem)


async def _on_defect(request: Request, error: Exception) -> Response:
    """Starlette raises the error on after this answer: the shell logs it."""
    del error
    return rendered(internal(getattr(request.state, "request_id", None)))


EXCEPTION_HANDLERS: Mapping[type[Exception], Handler] = {
    Problem: _on_problem,
    HTTPException: _on_http_exception,
    Exception: _on_defect,
}
"""For `FastAPI(exception_handlers=...)`, beside the application's own."""
