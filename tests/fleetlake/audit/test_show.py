"""What a person reads below the audit's table."""

import io
import re
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from fleetlake.audit import states
from fleetlake.audit.cures import CURES
from fleetlake.audit.findings import Problem
from fleetlake.audit.partitions import PartitionReport
from fleetlake.audit.report import AuditReport
from fleetlake.audit.show import show


def shown(report: PartitionReport) -> str:
    """The text for one partition."""
    out = io.StringIO()
    show(AuditReport(partitions=[report]), Console(file=out, width=200))
    return out.getvalue()


def landed(rows: int, compared: int, end: int | None = None) -> PartitionReport:
    """A partition of which history has landed the first rows."""
    end = rows if end is None else end
    return PartitionReport("a", 0, "id", True, rows=rows, checkpoint=rows, log_start=0, log_end=end,
                           not_landed=end - rows, compared=compared)  # fmt: skip


def test_what_is_not_landed_yet_is_in_the_verdict() -> None:
    """It is no fault, but nobody should read that nothing is missing."""
    assert shown(landed(4, 4, end=7)).endswith(
        "OK: 4 messages are rows, once each, and 3 are not landed yet\n"
    )
    assert shown(landed(4, 4)).endswith("OK: 4 messages are rows, once each, and nothing is missing\n")


def test_what_cannot_be_verified_is_said() -> None:
    """It is no fault, and nobody should believe that it was checked."""
    assert "cannot be verified" not in shown(landed(4, 4))
    assert "note: offsets that cannot be verified: 1,200 (" in shown(replace(landed(4, 4), unverifiable=1200))


def test_a_sample_is_called_one() -> None:
    """With the option that compares all; not where all were compared."""
    assert "--full" in shown(replace(landed(10_000, 3000), is_sampled=True))
    assert "--full" not in shown(landed(10, 10, end=12))
    assert "--full" not in shown(landed(10, 8))  # two of its offsets are markers


def test_what_a_command_cures_names_it() -> None:
    """Once for all kinds that it cures; what no command undoes has no such line."""
    report = AuditReport()
    for kind in ("lost", "state_differs", "state_missing", "state_missing"):
        report.findings.add(Problem(kind, "somewhere", "is off"))
    out = io.StringIO()
    show(report, Console(file=out, width=200))
    cures = [line for line in out.getvalue().splitlines() if line.startswith("cure")]
    assert len(cures) == 1
    assert cures[0].startswith("cure of state_differs, state_missing: `fleetlake state rebuild`")
    assert report.as_json()["cures"].keys() == {"state_differs", "state_missing"}


def test_cures_are_of_kinds_that_an_audit_finds() -> None:
    """And every kind that is about the state has one."""
    sources = "".join(path.read_text() for path in Path(states.__file__).parent.glob("*.py"))
    assert [kind for kind in CURES if sources.count(f'"{kind}"') < 2] == []
    found = set(re.findall(r'"(state_\w+)"', Path(states.__file__).read_text()))
    assert found == {kind for kind in CURES if kind.startswith("state_")}
