"""Rows as Markdown, for Dagster's pages: bounded, and with texts of vehicles as texts. A name that a car
sends can be no link, no tag and no second row."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

LONGEST_CELL = 60
SHOWN_AT_ONCE = 999
"""Characters; what is longer, Dagster shows on a click."""

MEANS_SOMETHING = re.compile(r"[\\`*_~|<>&\[\]!:#]")
"""To Markdown, or to what makes links of addresses."""

NO_TEXTS = (int, float, Decimal, date)


def table(rows: Sequence[Mapping[str, Any]], numbers: Iterable[str] = ()) -> str:
    """Rows of the same columns, whose names are the project's; `numbers` to the right. Empty without rows."""
    if not rows:
        return ""
    names, right = list(rows[0]), set(numbers)
    rules = ["--:" if name in right else "---" for name in names]
    lines = [_line(names), _line(rules), *(_line(cell(row[name]) for name in names) for row in rows)]
    return "\n".join(lines)


def table_at_once(rows: Sequence[Mapping[str, Any]], numbers: Iterable[str] = ()) -> str:
    """As many of the first rows as are shown without a click, one at least."""
    right = [*numbers]
    fitting = (table(rows[:count], right) for count in range(len(rows), 0, -1))
    return next((text for text in fitting if len(text) <= SHOWN_AT_ONCE), table(rows[:1], right))


def cell(value: Any) -> str:
    """One value on one line."""
    text = plain(value)
    return text if isinstance(value, NO_TEXTS) else MEANS_SOMETHING.sub(_entity, text)


def plain(value: Any) -> str:
    """One value on one line, where nothing has a meaning; what moves a terminal's cursor is left out."""
    match value:
        case None:
            return ""
        case float():
            return f"{value:.6g}"
        case datetime():
            return value.isoformat(" ").removesuffix("+00:00")
    text = "".join(each for each in " ".join(str(value).split()) if each.isprintable())
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def _entity(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
