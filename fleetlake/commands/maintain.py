"""`fleetlake maintain`: few large files instead of many small ones, and a store without what nobody needs."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lake.maintenance import Maintained, Preview


def maintain(
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="Tables, such as silver.signals or signals. Default: all that there are."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
) -> None:
    """Make small files large, remove what no version has any more, and sum up the log.

    Dagster does it by itself. No row is changed, and it may run beside sinks, increments and queries.
    """
    from fleetlake.settings import Settings
    from lake.maintenance import maintain as run
    from lake.maintenance import maintained_tables, preview
    from lake.storage import wait_ready

    lake = Settings().lake
    known = maintained_tables(wait_ready(lake, writes=False))
    if not known:
        typer.echo("the lake has no tables yet: nothing to do")
        return
    for name in _named(known, tables or known):
        if dry_run:
            _show_preview(preview(lake, name))
        else:
            _show(run(lake, name))


def _named(known: Collection[str], given: Collection[str]) -> list[str]:
    """The full names of the tables, each once."""
    found: dict[str, None] = {}
    for name in given:
        matches = [each for each in known if name in (each, each.partition(".")[2])]
        if not matches:
            problem = f"there is no table {name}; there are {', '.join(known)}"
            raise typer.BadParameter(problem, param_hint="TABLES")
        found |= dict.fromkeys(matches)
    return list(found)


def _show(done: "Maintained") -> None:
    before, after = done.before, done.after
    typer.echo(
        f"{done.table:24} {before.files:,} -> {after.files:,} files, "
        f"{_size(before.median_bytes)} -> {_size(after.median_bytes)} each; "
        f"stored {_size(before.stored_bytes)} -> {_size(after.stored_bytes)}; "
        f"{done.removed:,} files removed; {done.seconds:.1f} s"
    )
    for partition in done.rewritten.lost:
        typer.echo(f"{done.table:24} {partition}: another writer was faster; left for the next run")


def _show_preview(found: "Preview") -> None:
    files = sum(len(each.files) for each in found.rewritten)
    typer.echo(
        f"{found.table:24} {found.found.files:,} files, {_size(found.found.median_bytes)} each, "
        f"{_size(found.found.stored_bytes)} stored; would write {files:,} of {len(found.rewritten)} "
        f"partitions anew and remove {len(found.removed):,} that are older than {found.hours_kept} h"
    )


def _size(count: float) -> str:
    """In the largest unit of which there is one."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"
