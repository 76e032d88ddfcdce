"""How well each source delivers, day by day, the newest first. These are counts over all fleets: a key
that is for some of them does not see them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from serving.pages import AskedPage, Listing, day, name
from serving.shapes import page_shape, row_shape, statuses
from serving.site import Site, whole_reader

QUALITY = "gold.signal_quality"
LISTING = Listing(
    "quality",
    7,
    (day("ingest_date", "after"), name("source", "after_source"), name("signal", "after_signal")),
)

OneSource = Annotated[str | None, Query(max_length=64, description="only this source")]


def routes(site: Site) -> APIRouter:
    """`/quality`."""
    router = APIRouter(tags=["pipeline"])
    row = row_shape("QualityRow", site.marts[QUALITY])

    @router.get(
        "/quality",
        response_model=page_shape("QualityPage", LISTING.member, row),
        responses=statuses(is_table=True),
        summary="What sources delivered, and how well, by day of landing",
    )
    async def quality(request: Request, query: AskedPage, source: OneSource = None) -> Response:
        whole_reader(request)
        page = LISTING.page(site, query, source=source)
        asked = {"first": page.window.first, "last": page.window.last, "source": source}
        return await page.table(request, "quality", asked)

    return router
