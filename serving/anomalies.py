"""Readings beyond a threshold, newest first: of days that are made from the mart, of the others from the
readings as they are now, by the same SELECT that makes the mart."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Query, Request, Response

from lake.reading import Outlook
from serving.pages import AskedPage, Listing, moment, name
from serving.parameters import OneVehicle, Window
from serving.quality import OneSource
from serving.questions import LIVE, text
from serving.shapes import page_shape, row_shape, statuses
from serving.site import Site, reader

ANOMALIES = "gold.anomalies"
LISTING = Listing("anomalies", 7, (moment("event_time", "after"), name("anomaly_id", "after_id")))
NO_DAY = date(1, 1, 1)

OF_DAYS = f"(select * from {LIVE} where event_date between $open_first and $open_last)"  # noqa: S608 - our names
OF_VEHICLE = f"{OF_DAYS[:-1]} and vehicle_id = $vehicle)"


def routes(site: Site) -> APIRouter:
    """`/anomalies`."""
    router = APIRouter(tags=["anomalies"])
    anomaly = row_shape("Anomaly", site.marts[ANOMALIES])

    @router.get(
        "/anomalies",
        response_model=page_shape("AnomaliesPage", LISTING.member, anomaly),
        responses=statuses(is_table=True),
        summary="Readings beyond a threshold, newest first, with those of the last seconds",
    )
    async def anomalies(
        request: Request,
        query: AskedPage,
        vehicle: OneVehicle = None,
        kind: Annotated[
            str | None, Query(max_length=64, description="only of this kind, such as overspeed")
        ] = None,
        source: OneSource = None,
    ) -> Response:
        seen = site.seen(reader(request), vehicle)
        page = LISTING.page(site, query, vehicle=vehicle, kind=kind, source=source)
        window = page.window
        if page.place is not None:
            window = Window(window.begin_us, page.place[0] + 1)
        more = {"kind": kind, "source": source, **page.after}
        return page.shown(request, await found_by(site, request, "anomalies_page", window, seen, more))

    return router


async def found_by(
    site: Site,
    request: Request,
    question: str,
    window: Window,
    vehicles: frozenset[str] | None,
    more: Mapping[str, Any],
) -> pa.Table:
    """The answer to a question over the anomalies of a window."""
    open_days = days_not_made(await site.asking.outlook(request), window.days())
    asked: dict[str, Any] = {
        "first": window.first,
        "last": window.last,
        "begin": window.begin,
        "end": window.end,
        "open_first": min(open_days, default=NO_DAY),
        "open_last": max(open_days, default=NO_DAY),
        "vehicles": None if vehicles is None else sorted(vehicles),
        **more,
    }
    readings = OF_DAYS
    if vehicles is not None and len(vehicles) == 1:
        readings = OF_VEHICLE
        (asked["vehicle"],) = vehicles
    now = site.anomalies_of(readings)
    sql = f"with anomalies_now as (\n{now}\n), {text('anomalies').removeprefix('with ')}\n{text(question)}"
    return await site.asking.rows(request, sql, asked)


def days_not_made(outlook: Outlook, days: Sequence[date]) -> list[date]:
    """Those of which the mart may not have all."""
    return [day for day in days if not outlook.is_current(ANOMALIES, day)]
