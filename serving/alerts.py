"""Alerts that rules have opened, the newest first."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from contracts.times import iso_text
from lake.alert_reader import Alert
from serving.answers import document
from serving.cursor import Place
from serving.parameters import Cursor, Limit, OneVehicle
from serving.shapes import Page, Shape, statuses
from serving.site import Site, note_positions, reader


class AlertRow(Shape):
    """One alert of one rule and vehicle."""

    alert_id: str
    rule: str = Field(description="name of the rule")
    vehicle_id: str | None = Field(description="null for a rule that is not about one vehicle")
    state: str = Field(description="open or resolved")
    severity: str = Field(description="of the rule: info, warning or critical")
    opened_time: str
    resolved_time: str | None = Field(description="null while it is open")
    value: float | str | None = Field(description="what opened it, in the unit of its signal")
    summary: str = Field(description="what has happened, for people")


class AlertsPage(Page):
    """Alerts, newest first."""

    alerts: list[AlertRow]


def routes(site: Site) -> APIRouter:
    """`/alerts`."""
    router = APIRouter(tags=["alerts"])

    @router.get("/alerts", response_model=AlertsPage, responses=statuses(), summary="Alerts, newest first")
    async def alerts(
        request: Request,
        state: Annotated[Literal["open", "resolved"] | None, Query(description="default: both")] = None,
        vehicle: OneVehicle = None,
        limit: Limit = None,
        cursor: Cursor = None,
    ) -> Response:
        seen = site.seen(reader(request), vehicle)
        listing = f"alerts?state={state!r}&vehicle={vehicle!r}"
        place, rows = site.seal.place(listing, cursor, [int, str]), site.limit(limit)
        before = None if place is None else (int(place[0]), str(place[1]))
        found = await site.asking.state(
            lambda: site.alerts.page(state=state, vehicles=seen, before=before, limit=rows + 1)
        )
        last: Place = [found[rows - 1].opened_us, found[rows - 1].alert_id] if len(found) > rows else []
        following = site.seal.cursor(listing, last) if last else None
        shown = found[:rows]
        # The value of an alert of an area is where the vehicle was, and a summary may repeat it.
        note_positions(request, {each.vehicle_id for each in shown if each.vehicle_id is not None})
        return document(request, {"alerts": [_row(each) for each in shown], "next_cursor": following})

    return router


def _row(alert: Alert) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "rule": alert.rule,
        "vehicle_id": alert.vehicle_id,
        "state": alert.state,
        "severity": alert.severity,
        "opened_time": iso_text(alert.opened_us),
        "resolved_time": None if alert.resolved_us is None else iso_text(alert.resolved_us),
        "value": alert.value,
        "summary": alert.summary,
    }
