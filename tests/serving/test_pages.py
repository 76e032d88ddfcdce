"""Pages of lists, whatever a cursor holds that has our seal."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from contracts.problem import Kind, Problem
from serving.cursor import Seal
from serving.pages import Listing, PageQuery, day, moment, name
from serving.site import Site

LISTING = Listing("rows", 7, (day("day", "after"), moment("time", "after_time"), name("id", "after_id")))
ABOUT = "rows?{}&from=None&to=None"
BEGIN_US, END_US = 1_700_000_000_000_000, 1_800_000_000_000_000


def page(*place: Any) -> Any:
    seal = Seal(b"key")
    site = cast("Site", SimpleNamespace(seal=seal, limit=lambda asked: 10))
    return LISTING.page(site, PageQuery(cursor=seal.cursor(ABOUT, place)))


def test_a_page_goes_on_where_its_cursor_says() -> None:
    """In the time span of the first one."""
    found = page(BEGIN_US, END_US, 739_000, END_US - 1, "x")
    assert tuple(found.window) == (BEGIN_US, END_US)
    assert found.after["after_id"] == "x"


@pytest.mark.parametrize(
    "place",
    [
        (0, 2**62, 739_000, 1, "x"),
        (-(2**60), 2**60, 739_000, 1, "x"),
        (END_US, BEGIN_US, 739_000, 1, "x"),
        (BEGIN_US, END_US, 2**40, 1, "x"),
        (BEGIN_US, END_US, 0, 1, "x"),
        (BEGIN_US, END_US, 739_000, 2**62, "x"),
    ],
)
def test_a_place_that_no_page_of_ours_ends_at_is_refused(place: tuple[Any, ...]) -> None:
    """Of an older version, or of somebody who has the key: no defect."""
    with pytest.raises(Problem) as raised:
        page(*place)
    assert raised.value.kind is Kind.INVALID_REQUEST
