"""Lists of what happened in a time span, page by page: each row once, also while rows are added. A cursor
keeps the time span of the first page, so that a list up to now does not move under who reads it.

A route says in which order its list is; the rest, from the parameters to the next cursor, is done here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, NamedTuple

import pyarrow as pa
from fastapi import Depends, Request, Response

from contracts.limits import DEFAULT_LIMITS
from serving.answers import table
from serving.cursor import refused
from serving.parameters import Begin, Cursor, End, Limit, Window, microseconds, moment_of
from serving.questions import text
from serving.site import Site

SPAN = (int, int)


@dataclass(frozen=True, slots=True)
class PageQuery:
    """The parameters that every list has."""

    begin: Begin = None
    end: End = None
    limit: Limit = None
    cursor: Cursor = None


AskedPage = Annotated[PageQuery, Depends()]


class Key(NamedTuple):
    """A column that a list is in the order of, and the parameter by which its question knows where to go on.
    `told` is a value as the cursor has it, which is of one kind; `read` is the inverse."""

    column: str
    parameter: str
    kind: type
    told: Callable[[Any], str | int]
    read: Callable[[Any], Any]


def moment(column: str, parameter: str) -> Key:
    """By time."""
    return Key(column, parameter, int, microseconds, moment_of)


def day(column: str, parameter: str) -> Key:
    """By day."""
    return Key(column, parameter, int, date.toordinal, date.fromordinal)


def name(column: str, parameter: str) -> Key:
    """By a text; null stands where an empty one would."""
    return Key(column, parameter, str, lambda value: value or "", str)


@dataclass(frozen=True, slots=True)
class Listing:
    """One list: what it is called in its answers, how long it is where nobody says, and its order."""

    member: str
    default_days: float
    keys: Sequence[Key]

    def page(self, site: Site, query: PageQuery, **chosen: str | None) -> "Page":
        """The page that is asked for; `chosen` is what else was asked, which a cursor is bound to."""
        about = f"{self.member}?{chosen!r}&from={query.begin!r}&to={query.end!r}"
        place = site.seal.place(about, query.cursor, [*SPAN, *(key.kind for key in self.keys)])
        rows = site.limit(query.limit)
        if place is None:
            span = (query.begin, query.end)
            window = site.windows.of(*span, site.now_us(), default_days=self.default_days)
            return Page(site, self, about, window, None, rows)
        page = Page(site, self, about, Window(int(place[0]), int(place[1])), place[2:], rows)
        if (
            not DEFAULT_LIMITS.earliest_us
            <= page.window.begin_us
            < page.window.end_us
            <= DEFAULT_LIMITS.latest_us
        ):
            raise refused()
        try:
            _ = page.after
        except (ValueError, OverflowError):
            raise refused() from None
        return page


@dataclass(frozen=True, slots=True)
class Page:
    """One page that is asked for."""

    site: Site
    listing: Listing
    about: str
    window: Window
    place: Sequence[Any] | None
    """Of the last row of the page before; None for the first page."""
    rows: int

    @property
    def after(self) -> Mapping[str, Any]:
        """Where to go on, as parameters of the question, and for how many rows: one more than are shown."""
        keys = self.listing.keys
        values = [None] * len(keys) if self.place is None else self.place
        behind = {
            key.parameter: None if value is None else key.read(value)
            for key, value in zip(keys, values, strict=True)
        }
        return {**behind, "rows": self.rows + 1}

    async def table(
        self,
        request: Request,
        question: str,
        asked: Mapping[str, Any],
        *,
        change: Callable[[pa.Table], pa.Table] | None = None,
        convert: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> Response:
        """The answer: the rows that the question finds. `change` gives them further columns, `convert` gives
        a row its form in JSON."""
        found = await self.site.asking.rows(request, text(question), {**asked, **self.after})
        return self.shown(request, found, change=change, convert=convert)

    def shown(
        self,
        request: Request,
        found: pa.Table,
        *,
        change: Callable[[pa.Table], pa.Table] | None = None,
        convert: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> Response:
        """The answer: the rows that were found for it."""
        rows = found.slice(0, self.rows)
        following = self._cursor(rows) if len(found) > self.rows else None
        rows = rows if change is None else change(rows)
        return table(request, self.listing.member, rows, next_cursor=following, convert=convert)

    def _cursor(self, rows: pa.Table) -> str:
        (last,) = rows.slice(len(rows) - 1, 1).to_pylist()
        place = [key.told(last[key.column]) for key in self.listing.keys]
        return self.site.seal.cursor(self.about, [*self.window, *place])
