"""Lists of what happened in a time span, page by page: each row once, also while rows are added. A cursor
keeps the time span of the first page, so that a list up to now does not move under who reads it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from serving.cursor import Place
from serving.parameters import Window
from serving.site import Site

SPAN = (int, int)


@dataclass(frozen=True, slots=True)
class Page:
    """One page that is asked for."""

    site: Site
    listing: str
    window: Window
    after: Sequence[Any] | None
    """Of the last row of the page before; None for the first page."""
    rows: int

    @classmethod
    def asked(
        cls,
        site: Site,
        listing: str,
        span: tuple[str | None, str | None],
        *,
        limit: int | None,
        cursor: str | None,
        kinds: Sequence[type],
        default_days: float,
    ) -> "Page":
        """By the parameters of a request; `listing` says what else was asked for. `kinds` are those of the
        values by which the list is in order."""
        begin, end = span
        listing = f"{listing}&from={begin!r}&to={end!r}"
        place = site.seal.place(listing, cursor, [*SPAN, *kinds])
        if place is None:
            window = site.windows.of(begin, end, site.now_us(), default_days=default_days)
            return cls(site, listing, window, None, site.limit(limit))
        window = Window(int(place[0]), int(place[1]))
        return cls(site, listing, window, place[2:], site.limit(limit))

    def cut(self, found: pa.Table, place: Callable[[dict[str, Any]], Place]) -> tuple[pa.Table, str | None]:
        """The rows of this page, of which one more was asked for, and the cursor of the next one."""
        shown = found.slice(0, self.rows)
        if len(found) <= self.rows:
            return shown, None
        (last,) = shown.slice(self.rows - 1, 1).to_pylist()
        return shown, self.site.seal.cursor(self.listing, [*self.window, *place(last)])
