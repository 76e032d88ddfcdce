"""An audit's report for people: a table of topics, state and dead letters in a line each, the verdict."""

from itertools import groupby
from operator import itemgetter

from rich.console import Console
from rich.table import Table

from fleetlake.audit.partitions import PartitionReport
from fleetlake.audit.report import AuditReport
from fleetlake.audit.states import StateReport

COLUMNS = ("rows", "not landed", "lost", "expired", "doubled", "compared")


def show(report: AuditReport, console: Console) -> None:
    """Prints the report."""
    console.print(_topics(report.partitions))
    if any(each.is_sampled for each in report.partitions):
        console.print("compared: a sample of the messages, byte by byte; --full compares all of them")
    console.print()
    console.print(_state(report.state))
    for letters in report.dead_letters:
        if letters.rejected or letters.letters:
            console.print(
                f"{letters.topic}: {letters.rejected:,} rejected, {letters.letters:,} dead letters"
                + (f", {letters.not_routed:,} not routed yet" if letters.not_routed else "")
                + (f", {letters.expired:,} expired" if letters.expired else "")
            )
    unverifiable = sum(each.unverifiable for each in report.partitions)
    if unverifiable:
        console.print(
            f"note: offsets that cannot be verified: {unverifiable:,} (Kafka no longer has them, and a topic "
            "that is written in transactions or compacted has holes of its own)"
        )
    for remark in report.findings.remarks:
        console.print(f"note: {remark}")
    console.print()
    for problem in report.findings.problems:
        console.print(problem.line)
    for cure, kinds in groupby(report.cures.items(), itemgetter(1)):
        console.print(f"cure of {', '.join(kind for kind, _ in kinds)}: {cure}")
    console.print(_verdict(report))


def _topics(partitions: list[PartitionReport]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("topic", overflow="fold")
    table.add_column("partitions", justify="right")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for (topic, is_former), group in groupby(sorted(partitions, key=_topic_and_life), key=_topic_and_life):
        reports = list(group)
        numbers = [
            sum(values)
            for values in zip(
                *(
                    (each.rows, each.not_landed, each.lost, each.expired, each.duplicates, each.compared)
                    for each in reports
                ),
                strict=True,
            )
        ]
        if is_former and not numbers[0]:
            continue
        label = f"{topic} (former lives)" if is_former else topic
        table.add_row(label, str(len(reports)), *(f"{number:,}" for number in numbers))
    return table


def _topic_and_life(report: PartitionReport) -> tuple[str, bool]:
    return report.topic, not report.is_present


def _state(state: StateReport) -> str:
    if not state.is_checked:
        return "state: not there yet"
    parts = [f"state: {state.values:,} values of {state.vehicles:,} vehicles compared, {state.wrong:,} wrong"]
    if state.in_motion:
        parts.append(f"{state.in_motion:,} in motion")
    if state.before_history:
        parts.append(f"{state.before_history:,} from before the history began")
    if state.not_looked_up:
        parts.append(f"{state.not_looked_up:,} not compared: a sink is far behind")
    if state.not_read:
        parts.append(f"{state.not_read:,} messages not read yet")
    return ", ".join(parts)


def _verdict(report: AuditReport) -> str:
    if report.is_ok:
        rows = sum(each.rows for each in report.partitions)
        waiting = sum(each.not_landed for each in report.partitions)
        ending = f"{waiting:,} are not landed yet" if waiting else "nothing is missing"
        return f"OK: {rows:,} messages are rows, once each, and {ending}"
    found = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report.findings.counts.items()))
    return f"NOT OK: {found}"
