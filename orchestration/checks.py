"""The checks of the models as Dagster's asset checks. One that fails names the rows."""

from collections.abc import Collection, Iterator

import dagster as dg

from orchestration.assets import key_of
from transforms.build import Marts
from transforms.checks import Finding, checks_of, run_checks, shown
from transforms.model import Model

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
ONE_PARTITION = "dagster/partition"


def checks_asset(marts: Marts, model: Model) -> dg.AssetChecksDefinition:
    """All checks of one table: of the days of the run, else of the whole table."""
    specs = [
        dg.AssetCheckSpec(check.name, asset=key_of(model.name), description=check.description)
        for check in checks_of(model)
    ]

    @dg.multi_asset_check(specs=specs, name=f"checks_of_{model.name.replace('.', '_')}", can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        names = {key.name for key in context.selected_asset_check_keys}
        for finding in run_checks(marts, model, _days(context), names):
            yield _result(model, finding)

    return checks


def _days(context: dg.AssetCheckExecutionContext) -> Collection[str] | None:
    tags = context.run.tags
    days = [tags[name] for name in (ONE_PARTITION, RANGE_START, RANGE_END) if name in tags]
    return days or None


def _result(model: Model, finding: Finding) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key_of(model.name),
        check_name=finding.check.name,
        passed=finding.passed,
        description=f"{finding.check.description}: {finding.count} rows are wrong" if finding.count else None,
        metadata={"wrong": finding.count, "rows": dg.MetadataValue.md(_table(finding))},
    )


def _table(finding: Finding) -> str:
    rows = list(shown(finding))
    if not rows:
        return ""
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(row[name].replace('|', '&#124;') for name in names)} |" for row in rows]
    return "\n".join(lines)
