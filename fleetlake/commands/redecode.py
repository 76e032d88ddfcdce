"""`fleetlake redecode`: silver derived again from bronze's payloads, after a contract was corrected."""

from collections.abc import Collection, Iterable
from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from fleetlake.commands.plain_text import counted
from fleetlake.commands.sql import Format

if TYPE_CHECKING:
    import pyarrow as pa

    from transforms.day_change import DayChange
    from transforms.redecode import Progress, Redecoded

DAY = "%Y-%m-%d"
COUNTS = ("before", "after", "added", "removed", "changed", "vehicles")


def redecode(
    sources: Annotated[
        list[str] | None,
        typer.Option("--source", help="Whose contract was corrected; may be given several times."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All sources: silver from scratch.")] = False,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=[DAY], help="First day of events; default: all.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=[DAY], help="Last day of events; default: all.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be changed, and change nothing.")
    ] = False,
    answer_format: Annotated[Format, typer.Option("--format", help="Of the report.")] = Format.TABLE,
) -> None:
    """Derive silver again from bronze's payloads, after a contract was corrected.

    Bronze stays as it is, and sinks and Dagster go on; restart them with the corrected contract first. Each
    day that differs is replaced in one commit. Killed, it goes on when it is called again.

    With days, the others keep the readings of the old contract, until they are derived again as well.
    Readings that silver has not taken over from bronze yet count as added.
    """
    from contracts.load import load_registry
    from fleetlake.settings import Settings
    from transforms.load import load_models
    from transforms.redecode import Redecode

    settings = Settings()
    registry = load_registry(settings.contracts)
    chosen = _chosen(sources or [], registry.contracts, every=every)
    days = _days(first, last)
    model = load_models()["silver.signals"]
    done = Redecode(settings.lake, model, registry, chosen, days, _tell).run(dry=dry_run)
    _report(done, answer_format, dry_run=dry_run)


def _chosen(given: list[str], known: Collection[str], *, every: bool) -> list[str] | None:
    """The sources named; None for all of them."""
    if every == bool(given):
        problem = "name a source, or give --all"
        raise typer.BadParameter(problem, param_hint="--source")
    for source in given:
        if source not in known:
            problem = f"there is no source {source}; there are {', '.join(sorted(known))}"
            raise typer.BadParameter(problem, param_hint="--source")
    return None if every else given


def _days(first: datetime | None, last: datetime | None) -> tuple[date, date] | None:
    if first is None and last is None:
        return None
    begin, end = first.date() if first else date.min, last.date() if last else date.max
    if begin > end:
        problem = f"{begin} is after {end}"
        raise typer.BadParameter(problem, param_hint="--from")
    return begin, end


def _tell(progress: "Progress") -> None:
    typer.echo(f"{progress.step} ({progress.done} of {progress.of})", err=True)


def _report(done: "Redecoded", answer_format: Format, *, dry_run: bool) -> None:
    """The days on stdout, what it comes to on stderr."""
    from fleetlake.commands.sql import show
    from lake.query import Rows

    table = _table(done.days)
    if done.days or answer_format is not Format.TABLE:
        show(Rows(table.schema, iter(table.to_batches())), answer_format)
    added, removed, changed = (
        sum(getattr(day, name) for day in done.days) for name in ("added", "removed", "changed")
    )
    did = "would be replaced" if dry_run else "replaced"
    typer.echo(
        f"{done.messages:,} messages read, {done.decoded_anew:,} decoded anew; "
        f"{counted(len(done.days), 'day')} {did}: "
        f"{added:,} readings added, {removed:,} removed, {changed:,} changed",
        err=True,
    )
    if done.days and not dry_run:
        typer.echo("`fleetlake materialize` builds the days of the marts that are due now,", err=True)
        typer.echo("`fleetlake state rebuild` the state", err=True)


def _table(days: Iterable["DayChange"]) -> "pa.Table":
    import pyarrow as pa

    columns = [pa.field("day", pa.date32()), *(pa.field(name, pa.int64()) for name in COUNTS)]
    return pa.Table.from_pylist([asdict(day) for day in days], pa.schema(columns))
