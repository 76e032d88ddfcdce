"""What Dagster's jobs of the night borrow from this package: the audit, and where the warehouse is."""

import secrets

from contracts.load import load_registry
from fleetlake.audit.payloads import Sample
from fleetlake.audit.run import audit
from fleetlake.commands.audit import DEFAULT_SAMPLE
from fleetlake.marts import warehouse_file
from fleetlake.settings import Settings
from orchestration.nightly import Audited, Lent


def lent(settings: Settings) -> Lent:
    """As the settings of this process have it."""
    file = warehouse_file(settings)
    return Lent(
        audit=lambda: audited(settings),
        warehouse=file,
        is_warehouse_used=lambda: settings.warehouse is not None or file.exists(),
    )


def audited(settings: Settings) -> Audited:
    """The audit of `fleetlake audit`, in the words of its report."""
    report = audit(
        settings.kafka,
        settings.mongo,
        settings.lake,
        load_registry(settings.contracts),
        sample=Sample(DEFAULT_SAMPLE, secrets.randbelow),
    )
    return Audited(
        report.is_ok,
        dict(report.findings.counts),
        [problem.line for problem in report.findings.problems],
        report.findings.remarks,
        report.cures,
    )
