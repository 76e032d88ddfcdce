"""Charging sessions, newest first, of one vehicle or of all that may be seen."""

from fastapi import APIRouter, Request, Response

from serving.pages import AskedPage, Listing, moment, name
from serving.parameters import OneVehicle
from serving.shapes import page_shape, row_shape, statuses
from serving.site import Site, note_positions, reader

SESSIONS = "gold.charging_sessions"
LISTING = Listing(
    "charging_sessions", 30, (moment("start_time", "after"), name("vehicle_id", "after_vehicle"))
)


def routes(site: Site) -> APIRouter:
    """`/charging-sessions`."""
    router = APIRouter(tags=["charging"])
    session = row_shape("ChargingSession", site.marts[SESSIONS])

    @router.get(
        "/charging-sessions",
        response_model=page_shape("ChargingSessionsPage", LISTING.member, session),
        responses=statuses(is_table=True),
        summary="Charging that begins in a time span, newest first",
    )
    async def charging_sessions(request: Request, query: AskedPage, vehicle: OneVehicle = None) -> Response:
        seen = site.seen(reader(request), vehicle)
        note_positions(request, seen)
        page = LISTING.page(site, query, vehicle=vehicle)
        asked = {
            "vehicles": None if seen is None else sorted(seen),
            "first": page.window.first,
            "begin": page.window.begin,
            "end": page.window.end,
        }
        return await page.table(request, "charging", asked)

    return router
