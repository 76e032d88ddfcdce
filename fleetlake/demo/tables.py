"""The demo's claims as tables: messages by source, broken ones by reason, and the answers."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from fleetlake.demo.verdicts import DEAD_LETTERS, REJECTED, ROWS, Verdict


def tables(verdicts: Sequence[Verdict]) -> Iterator[Table]:
    """All claims, those about counts name by name."""
    yield counted("Messages by source", [_named(verdicts, ROWS)])
    yield counted("Broken messages by reason", [_named(verdicts, REJECTED), _named(verdicts, DEAD_LETTERS)])
    answers = Table(title="Answers", title_justify="left")
    for heading in ("answer", "expected", "found", ""):
        answers.add_column(heading, overflow="fold")
    for verdict in verdicts:
        if not verdict.counts:
            found = "the same" if verdict.found == verdict.expected else verdict.found
            answers.add_row(verdict.claim, verdict.expected, found, _mark(verdict.holds))
    yield answers


def counted(title: str, verdicts: Sequence[Verdict]) -> Table:
    """Expected counts once, then what each of the verdicts found."""
    table = Table(title=title, title_justify="left", show_footer=True)
    names = sorted({name for verdict in verdicts for name in verdict.counts})
    table.add_column("", footer="all")
    table.add_column("sent", justify="right", footer=verdicts[0].expected)
    for verdict in verdicts:
        table.add_column(verdict.claim, justify="right", footer=verdict.found)
    table.add_column("", footer=_mark(all(verdict.holds for verdict in verdicts)))
    for name in names:
        pairs = [verdict.counts.get(name, (0, 0)) for verdict in verdicts]
        wanted = max(expected for expected, _ in pairs)
        found = [f"{count:,}" for _, count in pairs]
        table.add_row(name, f"{wanted:,}", *found, _mark(all(count == wanted for _, count in pairs)))
    return table


def _named(verdicts: Sequence[Verdict], claim: str) -> Verdict:
    return next(verdict for verdict in verdicts if verdict.claim == claim)


def _mark(holds: bool) -> str:
    return "[green]ok[/green]" if holds else "[red]WRONG[/red]"
