"""The report of a simulation or a replay in a few lines, for a person at a terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fleetlake.commands.plain_text import aligned

Report = Mapping[str, Any]
SIMULATED: Final = {
    "sent": "acknowledged",
    "invalid": "invalid",
    "bad signals": "rejected_signals",
    "late": "late",
    "duplicates": "duplicate",
    "reordered": "out_of_order",
    "anomalies": "anomalies",
}
"""Columns, and where their numbers stand in the report; counts by name are added up."""
REPLAYED: Final = {"sent": "acknowledged", "valid": "valid", "invalid": "invalid_by_reason"}


def simulated_lines(report: Report) -> list[str]:
    """What was sent of each source."""
    total = report["total"]
    counts = dict(report["sources"])
    if len(counts) > 1:
        counts["together"] = total
    return [_heading(total, report), *_table("source", SIMULATED, counts), *_reasons(total)]


def replayed_lines(report: Report) -> list[str]:
    """What was sent of each file."""
    counts: dict[str, Report] = {}
    for number, one in enumerate(report["files"], start=1):
        name = Path(one["file"]).name
        counts[name if name not in counts else f"{name} ({number})"] = one
    if len(counts) > 1:
        counts["together"] = report
    lines = [_heading(report, report), *_table("file", REPLAYED, counts), *_reasons(report)]
    if report["other_topics"]:
        lines.append(f"passed over, because of other topics: {report['other_topics']:,}")
    return lines


def _heading(counts: Report, report: Report) -> str:
    """How many in how long."""
    sent, seconds = counts["acknowledged"], report["seconds"]
    noun = "message" if sent == 1 else "messages"
    rate = f", {sent / seconds:,.0f}/s" if seconds and sent else ""
    lost = f", {counts['failed']:,} not acknowledged" if counts["failed"] else ""
    stopped = ", stopped before the end" if report["stopped"] else ""
    return f"{sent:,} {noun} in {seconds:.1f} s{rate}{lost}{stopped}"


def _table(named: str, columns: Mapping[str, str], counts: Mapping[str, Report]) -> list[str]:
    rows = [(named, *columns)]
    rows += [(name, *(_number(one[field]) for field in columns.values())) for name, one in counts.items()]
    return aligned(rows, right=range(1, len(columns) + 1))


def _reasons(counts: Report) -> list[str]:
    reasons = [f"{name} {count:,}" for name, count in counts["invalid_by_reason"].items()]
    return [f"invalid: {', '.join(reasons)}"] if reasons else []


def _number(value: int | Mapping[str, int]) -> str:
    return f"{value if isinstance(value, int) else sum(value.values()):,}"
