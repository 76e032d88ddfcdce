"""What a person sees and does on the live page, in Chromium, over a made-up fleet.

Skipped where there is no Chromium, or no axe where one is needed; FLEETLAKE_REQUIRE=browser makes that a
failure. FLEETLAKE_SCREENSHOTS names a folder that gets a picture of each view, for docs/images/.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import SCREENSHOTS, axe_script, chromium, chromium_program
from tests.deadlines import eventually
from tests.serving.page.made_up_api import MadeUpApi, serving
from tests.serving.page.made_up_fleet import KINDS, MadeUpFleet
from tests.serving.page.window import PHONE, Window, window

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VIEWS = ("map", "anomalies", "alerts", "trips", "charging", "quality", "pipeline")
ACCENT = (0x0B, 0x6E, 0x6E)
MANY = 10_000
WATCHED_SECONDS = 8

expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def program(pytestconfig: pytest.Config) -> str:
    """Chromium."""
    return chromium_program(pytestconfig)


@pytest.fixture(scope="module")
def axe(pytestconfig: pytest.Config) -> str:
    """Looks for what locks people out."""
    return axe_script(pytestconfig)


@pytest.fixture
def api(program: str) -> MadeUpApi:
    """Of fourteen vehicles."""
    return MadeUpApi(MadeUpFleet())


@pytest.fixture
def address(api: MadeUpApi) -> Iterator[str]:
    """Of the page."""
    with serving(api) as url:
        yield url


@pytest.fixture(scope="module")
def browser(program: str) -> Iterator[Browser]:
    """One for all tests; each has a session of its own."""
    with chromium(program) as opened:
        yield opened


@pytest.fixture
def seen(browser: Browser, address: str) -> Iterator[Window]:
    """A desktop window on the page."""
    with window(browser, address) as opened:
        yield opened


def keep(seen: Window, name: str) -> None:
    """The picture of a view, where they are wanted."""
    if SCREENSHOTS:
        seen.page.wait_for_timeout(1500)  # the map draws by itself: nothing says that it is done
        seen.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def test_the_fleet_is_in_the_list_and_on_the_map(seen: Window) -> None:
    """Every vehicle, also one without a position; the page says that it is live."""
    seen.go()
    expect(seen.page.locator(".vehicles li")).to_have_count(15)
    expect(seen.page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    expect(seen.page.get_by_role("button", name="NEVER_SENT")).to_contain_text("no position")
    seen.page.get_by_label("Search for a vehicle").fill("car_01")
    expect(seen.page.locator(".vehicles li")).to_have_count(5)
    seen.page.get_by_label("Fleet", exact=True).select_option("north")
    expect(seen.page.locator(".vehicles li")).to_have_count(3)
    keep(seen, "page_search")


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_dot_of_a_vehicle_moves_as_it_drives(browser: Browser, address: str, motion: str) -> None:
    """The marker of the chosen one goes with it, without a click in between."""
    with window(browser, address, reduced_motion=motion) as seen:
        seen.go("#/map?vehicle=CAR_001")
        seen.page.locator(".chosen-marker").wait_for()
        seen.page.wait_for_timeout(1500)  # the map has flown there
        places = [seen.marker()]

        def has_gone_on() -> bool:
            if seen.marker() != places[-1]:
                places.append(seen.marker())
            return len(places) > 3

        eventually(has_gone_on, 30)


def test_a_dot_that_is_clicked_opens_its_vehicle(seen: Window) -> None:
    """The dot is where the marker was."""
    seen.go("#/map?vehicle=CAR_003")
    seen.page.locator(".chosen-marker").wait_for()
    seen.page.wait_for_timeout(1500)
    x, y = seen.marker()
    seen.page.keyboard.press("Escape")
    expect(seen.page.locator(".drawer")).to_have_count(0)
    seen.page.wait_for_timeout(500)
    box = seen.page.locator(".map").bounding_box()
    assert box is not None
    seen.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(seen.page.get_by_role("heading", name="CAR_003")).to_be_visible()
    assert abs(x - box["x"] - box["width"] / 2) < box["width"]
    assert y > box["y"]


def test_a_change_is_on_the_page_within_a_second(seen: Window, api: MadeUpApi) -> None:
    """In the figures and in the state."""
    seen.go("#/map?vehicle=CAR_003")
    figure = seen.page.locator("[data-figure=speed]")
    expect(figure).to_contain_text("0")
    car = api.fleet.cars["CAR_003"]
    car.speed, car.time = 77.5, datetime.now(UTC)
    places = ("[data-figure=speed]", "[data-signal=speed] .number")
    seen.page.locator(places[1]).wait_for()
    for place in places:
        seen.watch(place, "77.5")
    begin = time.time()
    api.fleet.tell(car)
    shown = [seen.noted(place) for place in places]
    assert max(shown) - begin < 1


def test_every_value_can_be_traced(seen: Window) -> None:
    """To topic, partition and offset, when asked."""
    seen.go("#/map?vehicle=CAR_003")
    row = seen.page.locator("[data-signal=odometer]")
    expect(row).to_contain_text("12,347.6")
    expect(row).to_contain_text("ago")
    assert row.locator("code").count() == 0
    seen.page.get_by_label("Show the Kafka record").check()
    expect(row.locator("code")).to_contain_text("car.telemetry.v1/2/")
    keep(seen, "page_vehicle")


def test_charts_are_drawn_and_told(seen: Window) -> None:
    """Speed and state of charge; a longer time is a click away."""
    seen.go("#/map?vehicle=CAR_001")
    seen.page.get_by_role("tab", name="Charts").click()
    speed = seen.page.get_by_role("img", name="Speed: lowest")
    expect(speed.locator("canvas")).to_be_visible()
    expect(seen.page.get_by_role("img", name="State of charge: lowest")).to_be_visible()
    seen.page.get_by_role("button", name="24 h").click()
    expect(seen.page.get_by_role("img", name="Speed: lowest")).to_be_visible()
    keep(seen, "page_charts")


def test_a_trip_is_drawn_on_the_map(seen: Window) -> None:
    """In the colour of the page, and taken away again."""
    seen.go("#/map?vehicle=CAR_002")
    seen.page.get_by_role("tab", name="Trips").click()
    seen.page.get_by_role("button", name="7 d", exact=True).click()
    trip = seen.page.locator(".trip").first
    expect(trip).to_contain_text("12.34")
    before = seen.pixels_like(ACCENT)
    trip.click()
    eventually(lambda: seen.pixels_like(ACCENT) > before + 500, 30)
    keep(seen, "page_trip")
    trip.click()
    eventually(lambda: seen.pixels_like(ACCENT) < before + 500, 30)


def test_an_anomaly_appears_by_itself(seen: Window, api: MadeUpApi) -> None:
    """In the bars of ten seconds, and in the table with its record."""
    seen.go("#/anomalies")
    expect(seen.page.locator(".legend")).to_contain_text("Overspeed 8")
    api.fleet.find_anomaly("CAR_007", KINDS[0], datetime.now(UTC))
    expect(seen.page.locator(".legend")).to_contain_text("Overspeed 9")
    first = seen.page.locator("tbody tr").first
    expect(first).to_contain_text("CAR_007")
    expect(first).to_contain_text("car.telemetry.v1/1/")


def test_a_lost_connection_is_said_and_resumed_where_it_broke(
    browser: Browser, api: MadeUpApi, address: str
) -> None:
    """What happened meanwhile is there afterwards, and what is shown meanwhile is called old."""
    with window(browser, address) as seen:
        seen.go()
        expect(seen.page.locator(".connection")).to_have_text("Live")
        eventually(lambda: api.fleet.next_id > 10)
        api.drop_streams()
        expect(seen.page.get_by_text("Connection lost, trying again.")).to_be_visible()
        keep(seen, "page_lost")
        api.come_back()
        expect(seen.page.locator(".connection")).to_have_text("Live")
        expect(seen.page.get_by_text("Connection lost")).to_have_count(0)
        assert api.resumed_from[0] is None
        assert api.resumed_from[-1] is not None
        seen.complaints = [each for each in seen.complaints if "503" not in each]


def test_a_key_is_asked_for_and_kept_for_the_tab(
    browser: Browser, program: str, pytestconfig: pytest.Config
) -> None:
    """A wrong one is said to be wrong."""
    with serving(MadeUpApi(MadeUpFleet(), key="s3cret")) as address, window(browser, address) as seen:
        seen.go()
        field = seen.page.get_by_label("Key", exact=True)
        field.fill("wrong")
        seen.page.get_by_role("button", name="Go on").click()
        expect(seen.page.get_by_text("This key was not accepted.")).to_be_visible()
        assert seen.hindrances(axe_script(pytestconfig)) == []
        keep(seen, "page_key")
        field.fill("s3cret")
        field.press("Enter")
        expect(seen.page.locator(".connection")).to_have_text("Live")
        seen.page.reload()
        expect(seen.page.locator(".connection")).to_have_text("Live")
        seen.complaints = [each for each in seen.complaints if "401" not in each]


def test_everything_is_reached_by_keyboard(seen: Window) -> None:
    """From the skip link to a vehicle, through its tabs, and back to where one was."""
    seen.go()
    seen.page.locator(".vehicles li").first.wait_for()
    seen.page.keyboard.press("Tab")
    expect(seen.page.get_by_role("button", name="Skip to the content")).to_be_focused()
    seen.page.keyboard.press("Enter")
    expect(seen.page.locator("main")).to_be_focused()
    seen.page.keyboard.press("Tab")
    expect(seen.page.get_by_label("Search for a vehicle")).to_be_focused()
    vehicle = seen.page.get_by_role("button", name="CAR_002")
    vehicle.focus()
    seen.page.keyboard.press("Enter")
    expect(seen.page.get_by_role("heading", name="CAR_002")).to_be_focused()
    seen.page.get_by_role("tab", name="State").focus()
    seen.page.keyboard.press("ArrowRight")
    expect(seen.page.get_by_role("tab", name="Charts")).to_be_focused()
    seen.page.keyboard.press("Escape")
    expect(vehicle).to_be_focused()


def test_a_vehicle_that_charges_is_shown_so_before_anything_changes(seen: Window) -> None:
    """It stands at its charger, and sends nothing while the page is open."""
    seen.go()
    expect(seen.page.get_by_role("button", name="CAR_003")).to_contain_text("Charging")


def test_tables_are_sorted_by_their_headers(seen: Window) -> None:
    """And say so to those who do not see it."""
    seen.go("#/charging")
    header = seen.page.get_by_role("columnheader", name="Vehicle")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    expect(seen.page.locator("tbody tr").first).to_contain_text("CAR_001")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(seen.page.locator("tbody tr").first).to_contain_text("CAR_014")


def look_at(seen: Window, axe: str, view: str, picture: str) -> None:
    """One view with rows in it, from which axe must find nobody locked out."""
    seen.go(f"#/{view}?vehicle=CAR_001")
    seen.page.locator(".drawer tbody tr, .page tbody tr").first.wait_for()
    keep(seen, picture)
    assert seen.hindrances(axe) == [], view


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_locked_out(browser: Browser, api: MadeUpApi, address: str, axe: str, scheme: str) -> None:
    """axe finds nothing serious in any view, in either theme."""
    api.answers.health_status = "degraded"
    with window(browser, address, color_scheme=scheme) as seen:
        for view in VIEWS:
            look_at(seen, axe, view, f"page_{view}_{scheme}")


def test_it_fits_a_phone(browser: Browser, address: str, axe: str) -> None:
    """Nothing is wider than the screen; a vehicle is a sheet over the map, and so is the list."""
    with window(browser, address, viewport=PHONE, has_touch=True, is_mobile=True) as seen:
        for view in VIEWS:
            look_at(seen, axe, view, f"page_{view}_phone")
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        seen.go("#/map?vehicle=CAR_001")
        seen.page.get_by_role("button", name="Close").click()
        seen.page.get_by_role("button", name="Show the list").click()
        expect(seen.page.locator(".vehicles li").first).to_be_visible()
        keep(seen, "page_list_phone")


def test_ten_thousand_vehicles_do_not_make_it_slow(browser: Browser, program: str) -> None:
    """While most of them drive, the page's own code is at work for less than a third of the time."""
    with (
        serving(MadeUpApi(MadeUpFleet(MANY)), step_seconds=2) as address,
        window(browser, address, reduced_motion="no-preference") as seen,
    ):
        seen.go()
        expect(seen.page.locator(".more")).to_contain_text("9,801 more", timeout=60_000)
        keep(seen, "page_many")
        before = seen.script_seconds()
        seen.page.wait_for_timeout(WATCHED_SECONDS * 1000)
        assert seen.script_seconds() - before < WATCHED_SECONDS / 3
        seen.page.get_by_label("Search for a vehicle").fill("CAR_9999")
        expect(seen.page.locator(".vehicles li")).to_have_count(1)
        seen.page.locator(".vehicle").click()
        expect(seen.page.get_by_role("heading", name="CAR_9999")).to_be_visible()
