"""What people read on Dagster's own pages, in Chromium: the graph, a materialization, a check that failed.

Skipped where there is no Chromium; FLEETLAKE_REQUIRE=browser makes that a failure. FLEETLAKE_SCREENSHOTS
names a folder that gets a picture of each page, for docs/images/.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from lake.settings import LakeSettings
from orchestration.home import prepare
from tests.browser import SCREENSHOTS, chromium_program
from tests.browser import chromium as opened_chromium
from tests.orchestration.pages import YESTERDAY, fill, pages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.local_lake]

PATIENCE_MS = 120_000
WHOLE_GRAPH: ViewportSize = {"width": 3200, "height": 3600}
"""Dagster draws only what is in view."""

GROUPS = ("bronze", "silver", "gold", "state")


@pytest.fixture(scope="module")
def chromium(pytestconfig: pytest.Config) -> str:
    """The program."""
    return chromium_program(pytestconfig)


@pytest.fixture(scope="module")
def address(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the webserver, over a lake of its own."""
    folder = tmp_path_factory.mktemp("pages")
    lake, home = LakeSettings(uri=str(folder / "lake")), prepare(folder / "dagster")
    fill(lake, home)
    with pages(lake, home, folder / "webserver.log") as url:
        yield url


@pytest.fixture(scope="module")
def browser(chromium: str, address: str) -> Iterator[Browser]:
    """Opened after the server is there."""
    with opened_chromium(chromium) as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """One window."""
    window = browser.new_page(viewport=WHOLE_GRAPH)
    window.set_default_timeout(PATIENCE_MS)
    yield window
    window.close()


def keep(page: Page, name: str) -> None:
    """The picture of a page, where they are wanted."""
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def test_the_graph_has_every_table(page: Page, address: str) -> None:
    """In its group."""
    groups = ",".join(f"global@global:{group}" for group in GROUPS)
    page.goto(f"{address}/asset-groups?expanded={groups}")
    for name in ("events", "vehicle_state", "signals", "trips", "battery_health", "vehicle_latest"):
        page.get_by_text(name, exact=True).first.wait_for()
    keep(page, "dagster_graph")


def test_a_materialization_shows_its_newest_rows_and_its_course(page: Page, address: str) -> None:
    """A table, and a picture that the browser has drawn."""
    page.goto(f"{address}/assets/gold/trips?view=partitions&partition={YESTERDAY}")
    page.get_by_role("columnheader", name="distance_km").wait_for()
    drawn = page.get_by_alt_text("distance_km per day [km]")
    drawn.scroll_into_view_if_needed()
    assert drawn.evaluate("image => image.naturalWidth") > 0
    keep(page, "dagster_materialization")


def test_a_check_that_failed_names_its_rows(page: Page, address: str) -> None:
    """With what the check looks at."""
    page.goto(f"{address}/assets/gold/trips?view=checks&checkDetail=possible_average")
    page.get_by_text("1 rows are wrong").first.wait_for()
    page.get_by_text("average_speed_kmh=300").first.wait_for()
    keep(page, "dagster_check")
    page.get_by_text("[Show Markdown]").click()
    page.get_by_role("cell", name="planted").wait_for()
