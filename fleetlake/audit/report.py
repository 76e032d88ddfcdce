"""What an audit says, for programs (`--json`) and in numbers for people."""

from dataclasses import dataclass, field
from typing import Any

from fleetlake.audit.cures import cures_of
from fleetlake.audit.findings import Findings
from fleetlake.audit.letters import LettersReport
from fleetlake.audit.partitions import PartitionReport
from fleetlake.audit.states import StateReport


@dataclass
class AuditReport:
    """The whole answer; `is_ok` if nothing was found to be off."""

    bronze_version: int | None = None
    partitions: list[PartitionReport] = field(default_factory=list)
    state: StateReport = field(default_factory=StateReport)
    dead_letters: list[LettersReport] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)

    @property
    def is_ok(self) -> bool:
        return self.findings.is_clean

    @property
    def cures(self) -> dict[str, str]:
        """By kind of problem found, what cures it."""
        return cures_of(sorted(self.findings.counts))

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.is_ok,
            "bronze_version": self.bronze_version,
            "partitions": [report.as_json() for report in self.partitions],
            "state": self.state.as_json(),
            "dead_letters": [report.as_json() for report in self.dead_letters],
            "problems": [problem.as_json() for problem in self.findings.problems],
            "problem_counts": dict(self.findings.counts),
            "cures": self.cures,
            "remarks": list(self.findings.remarks),
        }
