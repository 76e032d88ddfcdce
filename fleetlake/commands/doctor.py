"""`fleetlake doctor`: what is configured, reachable and wrong, and what to do about it."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fleetlake.doctor.examine import Diagnosis

DATA_DIR_OPTION = "fleetlake.data_dir"
"""Set in the context's meta where --data-dir was given."""

MARKS = {"fine": ("ok", "green"), "note": ("note", "yellow"), "wrong": ("WRONG", "red")}
ALWAYS_SHOWN = frozenset({"data_dir", "kafka.bootstrap_servers", "mongo.uri", "lake.uri"})


def doctor(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Look at settings, servers, topics, stores and disk. Exit code 1 if something is wrong."""
    from fleetlake.doctor.examine import examine

    diagnosis = examine(data_dir_is_option=bool(ctx.meta.get(DATA_DIR_OPTION)))
    if as_json:
        typer.echo(json.dumps(diagnosis.as_json(), indent=2, default=str))
    else:
        _show(diagnosis)
    raise typer.Exit(0 if diagnosis.ok else 1)


def _show(diagnosis: "Diagnosis") -> None:
    """Settings that somebody chose, then the findings with what to do."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    for setting in diagnosis.settings:
        if setting.source != "default" or setting.name in ALWAYS_SHOWN:
            listed = isinstance(setting.value, list)
            value = ", ".join(setting.value) if listed else str(setting.value)
            console.print(f"{setting.name} = {escape(value)} [dim]({setting.source})[/dim]")
    console.print()
    for finding in diagnosis.findings:
        mark, color = MARKS[finding.verdict]
        console.print(f"[{color}]{mark:5}[/{color}] {finding.check:8} {escape(finding.fact)}")
        if finding.action:
            console.print(f"{'':14} [dim]-> {escape(finding.action)}[/dim]")
    console.print()
    console.print("nothing is wrong" if diagnosis.ok else "[red]something is wrong[/red]")
