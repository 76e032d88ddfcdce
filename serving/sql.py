"""`POST /sql`: one reading statement over the lake, for who has the scope, where it is enabled."""

import asyncio
import re
from functools import partial

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.access import Scope
from contracts.problem import Kind, Problem
from serving.answers import FRESH, TABLE_TYPES, chosen_type, tagged, told, written
from serving.shapes import Shape, statuses
from serving.site import Site, note_positions
from serving.sql_process import asked

LONGEST = 20_000
JSON = re.compile(r"application/([^\s;]+\+)?json\s*(;|$)", re.IGNORECASE)


class Statement(BaseModel):
    """What is asked."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(
        min_length=1,
        max_length=LONGEST,
        description="one reading statement of DuckDB over bronze.events, silver.signals, "
        "silver.signals_live and gold.*; times are UTC",
        examples=["select vehicle_id, count(*) from silver.signals_live group by all"],
    )


class Rows(Shape):
    """The answer, whose columns are those of the statement."""

    rows: list[dict[str, object]]
    next_cursor: None = None


async def _require_json(request: Request) -> None:
    """An `unsupported-media-type` Problem for a body that does not say that it is JSON."""
    if not JSON.match(request.headers.get("content-type", "")):
        raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json")


def routes(site: Site) -> APIRouter:
    """`/sql`."""
    router = APIRouter(tags=["sql"])
    turns = asyncio.Semaphore(site.settings.sql_at_once)

    @router.post(
        "/sql",
        response_model=Rows,
        responses=statuses(Kind.UNSUPPORTED_MEDIA_TYPE, is_table=True),
        dependencies=[Depends(_require_json)],
        summary="Ask the lake in SQL; off unless enabled",
    )
    async def sql(request: Request, statement: Statement) -> Response:
        principal = request.state.principal
        principal.require(Scope.SQL)
        if principal.fleets is not None:
            raise Problem(Kind.FORBIDDEN, "SQL sees all fleets, and the key is for some of them")
        if not site.settings.sql_enabled:
            raise Problem(Kind.FORBIDDEN, "SQL is off here (FLEETLAKE_SERVING__SQL_ENABLED)")
        media_type = chosen_type(request, TABLE_TYPES)
        note_positions(request, None)
        try:
            await asyncio.wait_for(turns.acquire(), site.settings.sql_seconds)
        except TimeoutError:
            raise Problem(
                Kind.UNAVAILABLE, "too many queries are under way: ask again", headers={"Retry-After": "5"}
            ) from None
        try:
            form = partial(written, media_type=media_type, name="rows")
            body = await asked(site, statement.sql, form, request.is_disconnected)
            return await asyncio.to_thread(tagged, request, body, told(media_type), cache=FRESH)
        finally:
            turns.release()

    @router.get("/sql", include_in_schema=False)
    async def no_question() -> Response:
        """The page's files, which stand behind all routes, would say that there is no such file."""
        raise Problem(Kind.METHOD_NOT_ALLOWED, "this route takes POST", headers={"Allow": "POST"})

    return router
