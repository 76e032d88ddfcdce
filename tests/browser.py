"""Chromium for tests that look at pages: found where it is installed, without a window and without a GPU. And
axe, which looks for what locks people out."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.real_services import REQUIRED

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
WITHOUT_GPU = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
"""Maps are drawn with WebGL, which `--disable-gpu` alone takes away."""

AXE = Path(__file__).parents[1] / "serving" / "page" / "node_modules" / "axe-core" / "axe.min.js"

SCREENSHOTS = os.environ.pop("FLEETLAKE_SCREENSHOTS", None)
"""A folder that gets pictures of what tests look at. It is no setting: commands would name it as wrong."""


def chromium_program(config: pytest.Config) -> str:
    """Skips the test where there is none, or fails it where FLEETLAKE_REQUIRE=browser asks for one."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None and "browser" in config.stash[REQUIRED]:
        pytest.fail("there is no Chromium")
    return program or pytest.skip("there is no Chromium")


def axe_script(config: pytest.Config, script: Path = AXE) -> str:
    """What looks for hindrances in a page; skips or fails the test where it is not installed, as above."""
    if script.is_file():
        return script.read_text()
    absent = "axe is not installed: npm ci in serving/page"
    if "browser" in config.stash[REQUIRED]:
        pytest.fail(absent)
    return pytest.skip(absent)


@contextmanager
def chromium(program: str) -> Iterator[Browser]:
    """Open it last: while it is open, this thread has an event loop that others stumble over."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(WITHOUT_GPU))
        yield opened
        opened.close()
