"""Jobs of the night that need what is above this package, which hands it in: the proof, and the warehouse."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.assets import retried
from transforms.build import Marts
from transforms.publish import publish_marts

AUDIT_JOB, WAREHOUSE_JOB = "audit", "publish_warehouse"

ONLY_AFTER_A_CRASH = {"dagster/retry_on_asset_or_op_failure": "false"}
"""What an audit has found it finds again: a run is repeated only where its process was killed."""

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit says."""

    is_ok: bool
    counts: Mapping[str, int] = field(default_factory=dict)
    """Problems by kind."""
    problems: Sequence[str] = ()
    """With their coordinates."""
    remarks: Sequence[str] = ()
    cures: Mapping[str, str] = field(default_factory=dict)
    """By kind of problem."""


@dataclass(frozen=True, slots=True)
class Lent:
    """What the process that loads the definitions can do, and this package may not know how."""

    audit: Callable[[], Audited]
    warehouse: Path
    is_warehouse_used: Callable[[], bool]
    """Whether anybody wants the file: it was named in the settings, or published before."""


def audit_job(audit: Callable[[], Audited]) -> dg.JobDefinition:
    """A run that fails where anything is off, with what it found as its metadata."""

    @dg.op(name="prove")
    def op(context: dg.OpExecutionContext) -> None:
        with retried():
            found = audit()
        if not found.is_ok:
            counts = ", ".join(f"{count:,} {kind}" for kind, count in found.counts.items())
            description = f"the audit is NOT OK: {counts}"
            raise dg.Failure(description, _of_audit(found), allow_retries=False)
        context.add_output_metadata(_of_audit(found))

    @dg.job(
        name=AUDIT_JOB,
        tags=ONLY_AFTER_A_CRASH,
        description="Proves that nothing was lost or doubled; a run that fails names what is.",
    )
    def job() -> None:
        op()

    return job


def warehouse_job(marts: Marts, file: Path) -> dg.JobDefinition:
    """The marts as one DuckDB file, replaced as a whole."""

    @dg.op(name="publish", pool="warehouse")
    def op(context: dg.OpExecutionContext) -> None:
        with retried():
            rows = publish_marts(marts.lake, marts.models, file)
        lines = [f"| {name} | {count:,} |" for name, count in rows.items()]
        context.add_output_metadata(
            {
                "file": dg.MetadataValue.path(str(file)),
                "bytes": file.stat().st_size if rows else 0,
                "rows": sum(rows.values()),
                "published": dg.MetadataValue.md("\n".join(["| mart | rows |", "|---|--:|", *lines])),
            }
        )

    @dg.job(name=WAREHOUSE_JOB, description="Publishes the marts as one DuckDB file.")
    def job() -> None:
        op()

    return job


def _of_audit(found: Audited) -> dict[str, Any]:
    listed = [f"- {line}" for line in found.problems[:SHOWN]]
    cures = [f"- {kind}: {cure}" for kind, cure in found.cures.items()]
    return {
        "problems": dg.MetadataValue.int(sum(found.counts.values())),
        "counts": dg.MetadataValue.json(dict(found.counts)),
        "found": dg.MetadataValue.md("\n".join(listed) or "nothing is off"),
        "what_to_do": dg.MetadataValue.md("\n".join(cures) or "nothing"),
        "remarks": dg.MetadataValue.md("\n".join(f"- {line}" for line in found.remarks) or "none"),
    }
