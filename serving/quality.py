"""How well each source delivers, day by day, the newest first. These are counts over all fleets: a key
that is for some of them does not see them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from serving.answers import table
from serving.pages import Page
from serving.parameters import EPOCH, Begin, Cursor, End, Limit
from serving.questions import text
from serving.shapes import page_shape, row_shape, statuses
from serving.site import Site, whole_reader

QUALITY = "gold.signal_quality"
DEFAULT_DAYS = 7

OneSource = Annotated[str | None, Query(max_length=64, description="only this source")]


def routes(site: Site) -> APIRouter:
    """`/quality`."""
    router = APIRouter(tags=["pipeline"])
    row = row_shape("QualityRow", site.marts[QUALITY])

    @router.get(
        "/quality",
        response_model=page_shape("QualityPage", "quality", row),
        responses=statuses(is_table=True),
        summary="What sources delivered, and how well, by day of landing",
    )
    async def quality(
        request: Request,
        begin: Begin = None,
        end: End = None,
        source: OneSource = None,
        limit: Limit = None,
        cursor: Cursor = None,
    ) -> Response:
        whole_reader(request)
        page = Page.asked(
            site,
            f"quality?source={source!r}",
            (begin, end),
            limit=limit,
            cursor=cursor,
            kinds=[int, str, str],
            default_days=DEFAULT_DAYS,
        )
        after = page.after or (None, None, None)
        asked = {
            "first": page.window.first,
            "last": page.window.last,
            "source": source,
            "after": None if after[0] is None else EPOCH.date().fromordinal(after[0]),
            "after_source": after[1],
            "after_signal": after[2],
            "rows": page.rows + 1,
        }
        found = await site.asking.rows(request, text("quality"), asked)
        shown, following = page.cut(
            found, lambda row: [row["ingest_date"].toordinal(), row["source"], row["signal"] or ""]
        )
        return table(request, "quality", shown, next_cursor=following)

    return router
