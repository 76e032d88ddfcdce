"""Charging sessions, newest first, of one vehicle or of all that may be seen."""

from fastapi import APIRouter, Request, Response

from serving.answers import table
from serving.pages import Page
from serving.parameters import Begin, Cursor, End, Limit, OneVehicle, microseconds, moment_of
from serving.questions import text
from serving.shapes import page_shape, row_shape, statuses
from serving.site import Site, note_positions, reader

SESSIONS = "gold.charging_sessions"
DEFAULT_DAYS = 30


def routes(site: Site) -> APIRouter:
    """`/charging-sessions`."""
    router = APIRouter(tags=["charging"])
    session = row_shape("ChargingSession", site.marts[SESSIONS])

    @router.get(
        "/charging-sessions",
        response_model=page_shape("ChargingSessionsPage", "charging_sessions", session),
        responses=statuses(is_table=True),
        summary="Charging that begins in a time span, newest first",
    )
    async def charging_sessions(
        request: Request,
        vehicle: OneVehicle = None,
        begin: Begin = None,
        end: End = None,
        limit: Limit = None,
        cursor: Cursor = None,
    ) -> Response:
        seen = site.seen(reader(request), vehicle)
        note_positions(request, seen)
        page = Page.asked(
            site,
            f"charging?vehicle={vehicle!r}",
            (begin, end),
            limit=limit,
            cursor=cursor,
            kinds=[int, str],
            default_days=DEFAULT_DAYS,
        )
        after = page.after or (None, None)
        asked = {
            "vehicles": None if seen is None else sorted(seen),
            "first": page.window.first,
            "begin": page.window.begin,
            "end": page.window.end,
            "after": None if after[0] is None else moment_of(after[0]),
            "after_vehicle": after[1],
            "rows": page.rows + 1,
        }
        found = await site.asking.rows(request, text("charging"), asked)
        shown, following = page.cut(found, lambda row: [microseconds(row["start_time"]), row["vehicle_id"]])
        return table(request, "charging_sessions", shown, next_cursor=following)

    return router
