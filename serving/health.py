"""How the pipeline is: how far each sink is behind, how fresh each layer is, what was rejected. Each part
is asked by itself, and one that is away is told as such: the route answers while anything at all does."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from broker.errors import BrokerError
from contracts.problem import Problem
from contracts.times import iso_text
from lake.errors import LakeError
from lake.freshness import Layer, freshness
from lake.reading import QuestionEnded
from serving.answers import document, records
from serving.parameters import microseconds, moment_of
from serving.questions import text
from serving.shapes import Shape, statuses
from serving.site import SinkState, Site, reader

KAFKA, LAKE, MONGODB = "Kafka", "the lake", "MongoDB"
LONGEST_SECONDS = 8.0
"""For one part: a store that hangs is away."""

FAILURES = (LakeError, BrokerError, Problem, QuestionEnded, TimeoutError, OSError)
HOUR = timedelta(hours=1)


class Sink(Shape):
    """One consumer group."""

    sink: str
    lag: int | None = Field(description="messages in Kafka that it has not done; null where Kafka is away")
    is_running: bool | None = Field(description="null where this machine cannot tell")


class LayerShape(Shape):
    """One layer."""

    layer: str = Field(description="bronze, silver, gold or state")
    newest_time: str | None = Field(
        description="bronze and silver: when Kafka got the newest message that they have read; "
        "gold: newest minute, by the clocks of vehicles; state: last write"
    )
    age_s: float | None = Field(description="how long ago that is")
    rows_per_s: float | None = Field(description="rows gained since the last look; null at the first one")


class Rejected(Shape):
    """Messages or values that were not accepted."""

    source: str
    reason: str
    last_hour: int


class Health(Shape):
    """The pipeline as it is now."""

    status: Literal["ok", "degraded", "down"]
    problems: list[str] = Field(description="what is wrong, for people; empty where nothing is")
    sinks: list[Sink]
    layers: list[LayerShape]
    rejected: list[Rejected]


class Rates:
    """Rows a second of each layer, from what it had at the last look."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, int]] = {}

    def of(self, layer: Layer, now: float) -> float | None:
        """None at the first look."""
        before = self._before.get(layer.layer)
        if layer.rows is None:
            return None
        self._before[layer.layer] = (now, layer.rows)
        if before is None or now <= before[0]:
            return None
        return max(layer.rows - before[1], 0) / (now - before[0])


class Checkup:
    """Looks at all parts at once, at most every `health_seconds`, however many ask."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._looking = asyncio.Lock()
        self._rates = Rates()
        self._found: dict[str, Any] = {}
        self._looked_at = float("-inf")

    async def look(self, request: Request) -> dict[str, Any]:
        """The health, no older than the settings allow."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now - self._looked_at >= self._site.settings.health_seconds:
                self._found = await self._looked(request, now)
                self._looked_at = now
            return self._found

    async def _looked(self, request: Request, now: float) -> dict[str, Any]:
        problems: list[str] = []
        sinks, layers, rejected, written = await asyncio.gather(
            self._part(KAFKA, problems, lambda: asyncio.to_thread(self._site.sinks)),
            self._part(LAKE, problems, lambda: asyncio.to_thread(freshness, self._site.lake_settings)),
            self._part(LAKE, problems, lambda: self._rejected(request)),
            self._part(MONGODB, problems, lambda: self._site.asking.state(self._site.state.newest_us)),
        )
        problems += _of_sinks(sinks or [], self._site.settings.health_lag)
        away = {problem for problem in problems if problem.endswith(" is away")}
        status = "ok" if not problems else "down" if len(away) > 1 else "degraded"
        told = [self._layer(each, now) for each in layers or []]
        told.append(self._told("state", written or None, None))
        return {
            "status": status,
            "problems": sorted(set(problems)),
            "sinks": [
                {"sink": each.sink, "lag": each.lag, "is_running": each.is_running} for each in sinks or []
            ],
            "layers": told,
            "rejected": rejected or [],
        }

    async def _part(self, name: str, problems: list[str], ask: Callable[[], Awaitable[Any]]) -> Any:
        """What it says; None, and a problem, where it does not."""
        try:
            return await asyncio.wait_for(ask(), LONGEST_SECONDS)
        except FAILURES:
            problems.append(f"{name} is away")
            return None

    async def _rejected(self, request: Request) -> list[dict[str, Any]]:
        now = moment_of(self._site.now_us())
        begin = now - HOUR
        asked = {"first": begin.date(), "last": now.date() + timedelta(days=1), "begin": begin}
        return records(await self._site.asking.rows(request, text("rejected"), asked))

    def _layer(self, layer: Layer, now: float) -> dict[str, Any]:
        newest_us = None if layer.newest is None else microseconds(layer.newest)
        return self._told(layer.layer, newest_us, self._rates.of(layer, now))

    def _told(self, name: str, newest_us: int | None, rate: float | None) -> dict[str, Any]:
        age_s = None if newest_us is None else max(self._site.now_us() - newest_us, 0) / 1e6
        return {
            "layer": name,
            "newest_time": None if newest_us is None else iso_text(newest_us),
            "age_s": None if age_s is None else round(age_s, 3),
            "rows_per_s": None if rate is None else round(rate, 1),
        }


def _of_sinks(sinks: Sequence[SinkState], most: int) -> list[str]:
    stopped = [f"{each.sink} does not run" for each in sinks if each.is_running is False]
    behind = [f"{each.sink} is {each.lag:,} messages behind" for each in sinks if each.lag > most]
    return [*stopped, *behind]


def _without_counts(found: dict[str, Any]) -> dict[str, Any]:
    """For a key that is for some fleets: whether the pipeline is well. How much there is of all fleets, and
    when it came last, is not theirs to know."""
    away = [problem for problem in found["problems"] if problem.endswith(" is away")]
    return {"status": found["status"], "problems": away, "sinks": [], "layers": [], "rejected": []}


def routes(site: Site) -> APIRouter:
    """`/pipeline/health`."""
    router = APIRouter(tags=["pipeline"])
    checkup = Checkup(site)

    @router.get(
        "/pipeline/health",
        response_model=Health,
        responses=statuses(),
        summary="How far sinks are, how fresh layers are, what was rejected",
    )
    async def pipeline_health(request: Request) -> Response:
        principal = reader(request)
        found = await checkup.look(request)
        return document(request, found if principal.fleets is None else _without_counts(found))

    return router
