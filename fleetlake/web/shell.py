"""The shell around both HTTP interfaces: whatever reaches an application comes from somebody who may ask,
within the limits, and whatever leaves is safe to show. What a request did is in the log and the metrics."""

import asyncio
import os
import time
from collections.abc import Callable, Collection
from functools import partial

import structlog
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts import access as rights
from contracts.access import ANYBODY, Principal
from contracts.problem import Kind, Problem
from fleetlake.web.access import NOBODY, Access
from fleetlake.web.addresses import networks_of
from fleetlake.web.answer import Answer
from fleetlake.web.asked import Asked
from fleetlake.web.body import Body
from fleetlake.web.cors import cross_origin_headers, is_preflight, preflight_headers
from fleetlake.web.journal import REFUSED_LINES_AT_ONCE, REFUSED_LINES_PER_SECOND, Journal
from fleetlake.web.limits import Buckets, Concurrency, too_many
from fleetlake.web.metrics import OTHER, HttpMetrics
from fleetlake.web.own_routes import RETRY_SECONDS, OwnRoutes, Ready
from fleetlake.web.problems import internal, problem_of
from fleetlake.web.settings import HttpSettings
from fleetlake.web.stay import while_welcome
from ingest.process import Log

WATCHING = frozenset({"GET", "HEAD"})


def guarded(
    app: ASGIApp,
    *,
    http: HttpSettings,
    access: Access,
    name: str,
    registry: CollectorRegistry,
    ready: Ready,
    open_paths: Collection[str] = (),
) -> "Shell":
    """The application inside its shell. `name` is the interface's in logs and metrics; `open_paths` need no
    key: exact ones, and prefixes that end in "/" ("/" itself is the one page)."""
    log: Log = structlog.get_logger().bind(interface=name, pid=os.getpid())
    return Shell(
        app, http, access, HttpMetrics(name, registry), OwnRoutes(ready, registry, log), log, open_paths
    )


class Shell:
    """An ASGI application around another."""

    def __init__(
        self,
        app: ASGIApp,
        http: HttpSettings,
        access: Access,
        metrics: HttpMetrics,
        own: OwnRoutes,
        log: Log,
        open_paths: Collection[str],
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app, self._http, self._access = app, http, access
        self._metrics, self._own, self._log, self._clock = metrics, own, log, clock
        self._proxies = networks_of(http.trusted_proxies)
        self._buckets = Buckets(http.requests_per_second, http.burst)
        self._lines_of_refused = Buckets(REFUSED_LINES_PER_SECOND, REFUSED_LINES_AT_ONCE)
        self._concurrency = Concurrency(http.concurrent_requests, http.concurrent_per_client)
        self._open_prefixes = tuple(path for path in open_paths if path.endswith("/") and path != "/")
        self._open_paths = frozenset(open_paths) - set(self._open_prefixes)

    def count_refused(self, reason: str) -> None:
        """For the server: a connection that it closed before there was a request."""
        self._metrics.refused(reason)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._exchange(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})  # neither interface has any

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, from its headers to the end of its answer."""
        began = self._clock()
        asked = Asked.of(scope, self._proxies)
        inner = _inner_scope(scope, asked)
        body = Body(receive, self._http.body_bytes, self._http.body_seconds)
        answer = Answer(send, body, is_head=asked.method == "HEAD", extra=self._extra_headers(asked))
        route_now = partial(self._route, asked.path, inner)
        journal = Journal(self._log, asked, inner, body, answer, route_now, self._lines_of_refused)

        def before_part() -> None:
            inner["state"]["is_stream"] = answer.is_stream
            journal.positions_read()

        answer.before_part = before_part
        structlog.contextvars.bind_contextvars(request_id=asked.request_id)  # each request is a task
        self._metrics.begun()
        try:
            await self._answer(asked, body, answer, inner)
        finally:
            seconds, route = self._clock() - began, self._route(asked.path, inner)
            self._metrics.answered(asked.method, route, journal.status, seconds)
            journal.finish(route, seconds)

    async def _answer(self, asked: Asked, body: Body, answer: Answer, inner: Scope) -> None:
        """Whatever goes wrong becomes an answer, if there is still room for one."""
        problem: Problem | None = None
        try:
            await self._admit(asked, body, answer, inner)
        except Problem as error:
            problem = error
        except HTTPException as error:
            problem = problem_of(error)
        except asyncio.CancelledError:  # a stop that has waited long enough
            await _say_goodbye(answer)
            raise
        except Exception as error:  # noqa: BLE001 - the entry point of a request: nobody else catches it
            problem = internal(asked.request_id)
            if body.refusal is None and not body.sender_left:
                self._log.error(
                    "request_failed", request_id=asked.request_id, path=asked.path, exc_info=error
                )
        problem = body.refusal or problem
        if problem is None:
            return
        if body.refusal is not None or "principal" not in inner["state"]:
            self._metrics.refused(problem.kind)
        if answer.status is None:
            await answer.problem(problem)

    async def _admit(self, asked: Asked, body: Body, answer: Answer, inner: Scope) -> None:
        """Asks everything that is asked of a request before the application sees it."""
        is_own = asked.path in OwnRoutes.PATHS
        try:
            asked.require_a_plain_path()
            is_for_all = is_own and (asked.path != "/metrics" or asked.is_from_here)
            if is_for_all:
                _require_watching(asked)
            allowed = None
            if not is_for_all and is_preflight(asked):
                allowed = preflight_headers(asked, self._http.allowed_origins)
            principal = NOBODY if is_for_all or allowed is not None else await self._found(asked)
        except Problem:
            self._take_turn(asked.place)  # whoever tries has only so many tries, too
            raise
        if is_for_all:
            await self._answer_itself(asked, answer)
            return
        client = asked.place if principal in (ANYBODY, NOBODY) else principal.name
        self._take_turn(client)
        if allowed is not None:
            await answer.whole(204, b"", None, allowed)
        elif is_own:
            principal.require(rights.Scope.READ)
            if principal.fleets is not None:
                raise Problem(Kind.FORBIDDEN, "metrics are of all fleets together, and the key is for some")
            _require_watching(asked)
            await self._answer_itself(asked, answer)
        else:
            body.require_length(asked.header(b"content-length"))
            with self._concurrency.one_more(client):
                inner["state"]["principal"] = principal
                async with while_welcome(
                    answer,
                    partial(self._is_still, asked, principal),
                    partial(self._tell_end, asked, principal),
                ):
                    await self._app(inner, body.receive, answer.send)

    async def _found(self, asked: Asked) -> Principal:
        """Who asks."""
        is_open_path = asked.path in self._open_paths or asked.path.startswith(self._open_prefixes)
        return await self._access.principal(
            asked, is_open_path=is_open_path, origins=self._http.allowed_origins
        )

    async def _is_still(self, asked: Asked, principal: Principal) -> bool:
        """Whether the same request would be let in now, as the same principal with the same rights."""
        try:
            return await self._found(asked) == principal
        except Problem:
            return False

    def _tell_end(self, asked: Asked, principal: Principal) -> None:
        self._log.info("stream_ended", request_id=asked.request_id, principal=principal.name)

    def _take_turn(self, client: str) -> None:
        wait = self._buckets.take(client)
        if wait:
            detail = f"more than {self._http.requests_per_second:g} requests a second"
            raise too_many(detail, wait)

    async def _answer_itself(self, asked: Asked, answer: Answer) -> None:
        document, media_type = await self._own.document(asked.path)
        await answer.whole(200, document, media_type)

    def _extra_headers(self, asked: Asked) -> list[tuple[bytes, bytes]]:
        origin_headers = cross_origin_headers(asked, self._http.allowed_origins)
        return [(b"x-request-id", asked.request_id.encode()), *origin_headers]

    def _route(self, path: str, inner: Scope) -> str:
        """The template of the route that answered: one of few, whatever paths are asked for."""
        template = getattr(inner.get("route"), "path", None)
        if template:
            return str(template)
        if path in OwnRoutes.PATHS or path in self._open_paths:
            return path
        return next((prefix for prefix in self._open_prefixes if path.startswith(prefix)), OTHER)


def _require_watching(asked: Asked) -> None:
    """The shell's own routes change nothing."""
    if asked.method not in WATCHING:
        raise Problem(Kind.METHOD_NOT_ALLOWED, "this route takes GET", headers={"allow": "GET, HEAD"})


async def _say_goodbye(answer: Answer) -> None:
    if answer.status is None:
        headers = {"retry-after": RETRY_SECONDS}
        await answer.problem(Problem(Kind.UNAVAILABLE, "this process stops: ask again", headers=headers))


def _inner_scope(scope: Scope, asked: Asked) -> Scope:
    """What the application sees: a GET in place of a HEAD, and what it may tell us in `state`."""
    state = scope.setdefault("state", {})
    state["request_id"] = asked.request_id
    state["reads_positions"] = []
    return {**scope, "method": "GET" if asked.method == "HEAD" else asked.method}
