"""A window on the live page that notices what it must never do: complain, ask elsewhere, lock anybody out."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, CDPSession, ConsoleMessage, Page, ViewportSize

PATIENCE_MS = 20_000
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
SERIOUS = {"serious", "critical"}


class Window:
    """One page. `complaints` are errors of the console and of scripts, and requests to elsewhere."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        self._measuring: CDPSession | None = None
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._watch(request.url))

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(said.text)

    def _watch(self, url: str) -> None:
        if not url.startswith((self.address, "data:", f"blob:{self.address}")):
            self.complaints.append(f"asked {url}")

    def go(self, place: str = "") -> None:
        """To a place of the page, such as `#/trips`."""
        self.page.goto(self.address + place)

    def marker(self) -> tuple[float, float]:
        """Where the chosen vehicle is drawn."""
        box = self.page.locator(".chosen-marker").bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def watch(self, selector: str, text: str) -> None:
        """From now on the page itself notes when the element begins with the text."""
        self.page.evaluate(
            """([selector, text]) => {
                const noted = (window.noted ??= {});
                const look = () => {
                    if (!document.querySelector(selector)?.textContent.startsWith(text)) return;
                    observer.disconnect();
                    noted[selector] = Date.now() / 1000;
                };
                const observer = new MutationObserver(look);
                observer.observe(document.body, {subtree: true, childList: true, characterData: true});
            }""",
            [selector, text],
        )

    def noted(self, selector: str) -> float:
        """When it did, by the machine's clock."""
        handle = self.page.wait_for_function("selector => window.noted[selector]", arg=selector)
        return float(handle.json_value())

    def script_seconds(self) -> float:
        """Processor time of the page's own code so far: not what others on the machine take from it."""
        if self._measuring is None:
            self._measuring = self.page.context.new_cdp_session(self.page)
            self._measuring.send("Performance.enable", {"timeDomain": "threadTicks"})
        metrics = self._measuring.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "ScriptDuration"))

    def pixels_like(self, colour: tuple[int, int, int], tolerance: int = 12) -> int:
        """How many pixels of the map have about this colour."""
        picture = Image.open(BytesIO(self.page.locator(".map-place").screenshot())).convert("RGB")
        counted = picture.getcolors(picture.width * picture.height) or []
        return sum(
            count
            for count, seen in counted
            if isinstance(seen, tuple)
            and all(abs(one - other) <= tolerance for one, other in zip(seen, colour, strict=True))
        )

    def hindrances(self, axe: str) -> list[Any]:
        """What axe finds that locks somebody out."""
        self.page.evaluate(axe)  # not as a script of the page: its policy forbids code that is not its own
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            (each["id"], each["help"], json.dumps([node["target"] for node in each["nodes"]][:4]))
            for each in found["violations"]
            if each["impact"] in SERIOUS
        ]


@contextmanager
def window(browser: Browser, address: str, **options: Any) -> Iterator[Window]:
    """With an own session, and still unless asked otherwise: software draws slowly.

    At the end nothing may have been complained about.
    """
    chosen = {"viewport": DESKTOP, "color_scheme": "light", "reduced_motion": "reduce", **options}
    context = browser.new_context(**chosen)
    opened = Window(context.new_page(), address)
    yield opened
    context.close()
    assert opened.complaints == []
