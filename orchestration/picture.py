"""A small picture of numbers per day for Dagster's pages: an SVG inside Markdown, written without a library,
because a materialization waits for it. Less than 1 kB: Dagster keeps each one, and hides longer texts."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import date

DAYS = 31
STEP, WIDTH, HEIGHT, TOP, FLOOR = 20, 620, 140, 21, 120
COLOUR, TEXT = "#4f43dd", "#7a8090"
"""Readable on Dagster's light and dark pages."""


def bars(title: str, numbers: Mapping[str, float]) -> str:
    """A bar for each of the days up to the last one named, a month of them; empty where no day is named.

    Days are ISO dates; a day without a number, or with one below 0, has no bar.
    """
    if not numbers:
        return ""
    last = date.fromisoformat(max(numbers)).toordinal()
    days = [date.fromordinal(max(1, last - back)).isoformat() for back in reversed(range(DAYS))]
    drawing = _drawing(title, days, [max(0.0, numbers.get(day, 0.0)) for day in days])
    return f"![{title}](data:image/svg+xml;base64,{b64encode(drawing.encode()).decode()})"


def _drawing(title: str, days: list[str], heights: list[float]) -> str:
    greatest = max(heights)
    scale = (FLOOR - TOP) / (greatest or 1.0)
    path = "".join(
        f"M{place * STEP + STEP // 2} {FLOOR}v-{max(1, round(height * scale))}"
        for place, height in enumerate(heights)
        if height
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" fill="{TEXT}" '
        f'style="font:12px sans-serif"><text y="14">{title}, at most {greatest:,.6g}</text>'
        f'<path d="{path}" stroke="{COLOUR}" stroke-width="{STEP - 4}"/>'
        f'<text y="{HEIGHT - 4}">{days[0]}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 4}" text-anchor="end">{days[-1]}</text></svg>'
    )
