"""What a check found, as Dagster keeps it: passed or not, how bad that is, and the rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from orchestration.markdown import plain, table
from transforms.checks import Finding
from transforms.model import Check, Severity

LONGEST_ROW = 300
SEVERITIES = {Severity.ERROR: dg.AssetCheckSeverity.ERROR, Severity.WARN: dg.AssetCheckSeverity.WARN}


def spec_of(key: dg.AssetKey, check: Check) -> dg.AssetCheckSpec:
    """A check as Dagster is told of it."""
    return dg.AssetCheckSpec(check.name, asset=key, description=check.description)


def shown(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows as a check's metadata."""
    return {"rows": dg.MetadataValue.md(table(rows))} if rows else {}


def first(rows: Sequence[Mapping[str, Any]]) -> str:
    """The first row in a sentence, for terminals, and for the page of a check: that hides tables."""
    known = [
        f"{name}={plain(value)}" for name, value in (rows[0] if rows else {}).items() if value is not None
    ]
    text = ", ".join(known)
    return f", such as {text if len(text) <= LONGEST_ROW else text[: LONGEST_ROW - 1] + '…'}" if text else ""


def evaluation(key: dg.AssetKey, finding: Finding, covered: str | None = None) -> dg.AssetCheckResult:
    """The result of a check, with the first of the rows that are wrong. `covered` says what was looked at,
    where that is not all."""
    check, count = finding.check, finding.count
    looked_at = {} if covered is None else {"covered": covered}
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=check.name,
        passed=finding.passed,
        severity=SEVERITIES[check.severity],
        description=f"{check.description}: {count:,} {check.finds} are wrong{first(finding.rows)}"
        if count
        else None,
        metadata={"wrong": count, **looked_at, **shown(finding.rows)},
    )
