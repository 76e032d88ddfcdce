"""What a person reads below the audit's table."""

import io

from rich.console import Console

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


def test_a_sample_is_called_one() -> None:
    """With the option that compares all; not where all were compared."""
    assert "--full" in shown(landed(10_000, 3000))
    assert "--full" not in shown(landed(10, 10, end=12))
