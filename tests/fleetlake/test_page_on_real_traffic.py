"""The live page over a whole stack: what is sent to Kafka is seen in Chromium, on the map and in the figures.

Skipped where there is no Chromium; FLEETLAKE_REQUIRE=browser makes that a failure.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from broker.producer import Producer
from broker.settings import KafkaSettings
from tests.browser import SCREENSHOTS, axe_script, chromium, chromium_program
from tests.deadlines import eventually
from tests.fleetlake.conftest import StackUnderTest
from tests.serving.page.window import Window, window

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CAR, DRIVE = "CAR_001", "T3_05_31_2021"
TOPIC = "car.telemetry.v1"
ACCENT = (0x0B, 0x6E, 0x6E)
RULES = """
rules:
  - name: too_fast
    summary: "{vehicle} drives {value} km/h"
    threshold: {signal: speed, op: ">", value: 130}
"""

expect.set_options(timeout=30_000)


class Car:
    """Sends what a connected car does, to Kafka."""

    def __init__(self, address: str) -> None:
        self._producer = Producer(KafkaSettings(bootstrap_servers=address), linger_ms=0)
        self.latitude = 52.486

    def send(self, speed: float, *, north_by: float = 0.0) -> float:
        """The car is that much further north now; returns when it was sent."""
        self.latitude += north_by
        began = time.time()
        event = {
            "car_id": CAR,
            "timestamp": datetime.now(UTC).isoformat(),
            "speed": speed,
            "rpm": 2900,
            "engine_temp": 90.0,
            "fuel_level": 40.0,
            "latitude": self.latitude,
            "longitude": 13.4845,
        }
        self._producer.send(TOPIC, CAR.encode(), json.dumps(event).encode())
        self._producer.flush()
        return began


@pytest.fixture
def live(
    stack: StackUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> StackUnderTest:
    """A stack with its page, and a rule."""
    chromium_program(pytestconfig)
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    monkeypatch.setenv("FLEETLAKE_ALERTS__RULES", str(rules))
    monkeypatch.setenv("FLEETLAKE_HTTP__IN_STACK", "true")
    stack.up()
    eventually(lambda: is_ready(f"{stack.file.api}/ready"), 60)
    return stack


@pytest.fixture
def browser(live: StackUnderTest, pytestconfig: pytest.Config) -> Iterator[Browser]:
    """Chromium, once the stack is there."""
    with chromium(chromium_program(pytestconfig)) as opened:
        yield opened


def is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def keep(seen: Window, name: str) -> None:
    if SCREENSHOTS:
        seen.page.wait_for_timeout(1500)
        seen.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def test_what_is_sent_to_kafka_is_seen_within_a_second(live: StackUnderTest, browser: Browser) -> None:
    """The figure changes, the dot moves; a speed beyond a threshold is an anomaly and an alert by itself."""
    assert live.file.api is not None
    car = Car(live.file.kafka)
    car.send(41.0)
    with window(browser, live.file.api) as seen:
        seen.go(f"/#/map?vehicle={CAR}")
        figure = "[data-figure=speed]"
        expect(seen.page.locator(figure)).to_contain_text("41")
        seen.page.locator(".chosen-marker").wait_for()
        waited = []
        for speed in (52.5, 63.5, 74.5):
            seen.watch(figure, str(speed))
            sent = car.send(speed)
            waited.append(seen.noted(figure) - sent)
        assert max(waited) <= 1.0, waited
        before = seen.marker()
        car.send(75.0, north_by=0.0005)
        eventually(lambda: seen.marker()[1] < before[1] - 1, 10)
        keep(seen, "page_live")
        seen.go("/#/anomalies")
        car.send(201.0)
        row = seen.page.locator("tbody tr").first
        expect(row).to_contain_text(CAR)
        expect(row).to_contain_text("201")
        expect(seen.page.locator(".legend")).to_contain_text("Overspeed 1")
        seen.go("/#/alerts")
        expect(seen.page.locator("tbody tr").first).to_contain_text(f"{CAR} drives 201")


def test_a_recorded_drive_is_a_trip_on_the_map(
    live: StackUnderTest, browser: Browser, pytestconfig: pytest.Config
) -> None:
    """From Kafka through Dagster to a line on the map; axe finds nothing serious on the way."""
    assert live.file.api is not None
    drive = live.command("replay", f"simulate/data/twizy/{DRIVE}.csv.gz", "--source", "twizy")
    assert drive.returncode == 0, drive.stderr
    assert live.command("wait").returncode == 0
    made = live.command("materialize", timeout=400)
    assert made.returncode == 0, made.stderr
    with window(browser, live.file.api) as seen:
        seen.go(f"/#/map?vehicle={DRIVE}")
        seen.page.get_by_role("tab", name="Trips").click()
        seen.page.get_by_role("button", name="Go to the last reading").click()
        trip = seen.page.locator(".trip").first
        expect(trip).to_contain_text("15.7")
        before = seen.pixels_like(ACCENT)
        trip.click()
        eventually(lambda: seen.pixels_like(ACCENT) > before + 500, 30)
        keep(seen, "page_trip")
        assert seen.hindrances(axe_script(pytestconfig)) == []
