"""The fault table for people: one line a case on the terminal, and docs/faults.md."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ZEROS = {
    "missing": "missing",
    "doubled": "doubled",
    "altered": "altered",
    "state_mismatches": "states wrong",
    "dead_letters_missing": "letters missing",
    "dead_letters_doubled": "letters doubled",
    "anomalies_missing": "anomalies missing",
    "anomalies_doubled": "anomalies doubled",
    "maxima_wrong": "maxima wrong",
}

INTRODUCTION = """\
# What was broken on purpose, and what became of it

Made by `make faults` from the run's own numbers. Each case runs on Apache Kafka and MinIO (on a local folder
where it says so) with servers of its own, and is compared with an independent record: every message that the
broker acknowledged to the producer, with its coordinates, its bytes, and what must become of it. Rows of
bronze are read with a plain Delta reader, states with a plain MongoDB driver, dead letters and anomalies with
a read-committed consumer, and `fleetlake audit` must say the same. The promise of a case was written down
before it ran.""".splitlines()

COLUMNS = (
    "case and promise",
    "acknowledged",
    "rows",
    "missing",
    "doubled",
    "states wrong",
    "dead letters",
    "of them missing / doubled",
    "audit",
    "recovery",
    "notes",
)

Line = Mapping[str, Any]


def describe(line: Line) -> str:
    """One case in a few lines."""
    if "acknowledged" not in line:
        return f"    BROKEN DOWN after {line['seconds']} s: {line['broken'][0]}"
    off = [f"{line[name]:,} {text}" for name, text in ZEROS.items() if line[name]]
    off += line["broken"] + ([] if line["audit_ok"] else ["audit not clean"])
    text = f"    {'ok' if line['ok'] else 'NOT OK'} in {line['seconds']} s: "
    text += f"{line['acknowledged']:,} acknowledged, {line['rows']:,} rows, {line['dead_letters']:,} letters"
    text += f", recovered in {line['recovery_s']} s" if line["recovery_s"] is not None else ""
    text += f"; {_facts(line)}" if line["facts"] else ""
    if off:
        text += "\n    " + "; ".join(off) + "".join(f"\n    {example}" for example in line["examples"][:5])
    return text


def render(lines: Sequence[Line]) -> str:
    """docs/faults.md."""
    parts = [*INTRODUCTION, "", _summary(lines), ""]
    for group in dict.fromkeys(str(line["group"]) for line in lines):
        parts += [f"## {group}", "", *_table(line for line in lines if line["group"] == group), ""]
    return "\n".join(parts)


def _table(lines: Iterable[Line]) -> Iterable[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|---|--:|---|"
    for line in lines:
        yield _row(line)


def _row(line: Line) -> str:
    head = f"**{line['case']}**: {line['promise']}"
    return f"| {' | '.join([head, *_cells(line)])} |"


def _cells(line: Line) -> list[str]:
    if "acknowledged" not in line:
        return ["", "", "", "", "", "", "", "broke down", "", line["broken"][0]]
    counts = ("acknowledged", "rows", "missing", "doubled", "state_mismatches", "dead_letters")
    off = [f"{line[name]} {text}" for name, text in ZEROS.items() if line[name]]
    return [
        *(f"{line[name]:,}" for name in counts),
        f"{line['dead_letters_missing']:,} / {line['dead_letters_doubled']:,}",
        "clean" if line["audit_ok"] else "not clean",
        "" if line["recovery_s"] is None else f"{line['recovery_s']} s",
        "; ".join(filter(None, [_facts(line), *line["broken"], *off])),
    ]


def _summary(lines: Sequence[Line]) -> str:
    good = sum(line["ok"] for line in lines)
    total = sum(line.get("acknowledged", 0) for line in lines)
    states = len({line.get("code") for line in lines})
    runs = "" if states == 1 else f" The cases were run on {states} states of the code, not all on the last."
    return (
        f"{good} of {len(lines)} cases hold; {total:,} messages acknowledged. {platform.system()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}.{runs}"
    )


def _facts(line: Line) -> str:
    return ", ".join(f"{name}: {value}" for name, value in line["facts"].items())
