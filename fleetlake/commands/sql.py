"""`fleetlake sql`: a question to the lake, read-only, answered from the newest version of every table."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fleetlake.answers import (
    FILE_WRITERS,
    TABLE_ROWS,
    terminal,
    write_csv,
    write_file,
    write_json,
    write_table,
)
from fleetlake.marts import warehouse
from fleetlake.settings import Settings
from lake.locations import LAYERS
from lake.query import Rows


class Format(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def sql(
    query: Annotated[
        str,
        typer.Argument(
            help="One reading statement over bronze.events and silver.signals_live; over silver.signals and "
            "gold.* once transforms have built them. `show all tables` lists what there is. Times are UTC."
        ),
    ],
    answer_format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Default: table, which cuts long values. json (one array of objects) and csv do not.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Write a file instead, with whole values: .parquet, .csv or .json."
        ),
    ] = None,
) -> None:
    """Ask the lake a question in SQL (DuckDB's dialect).

    Bytes, such as payloads, are shown as text, or as base64:... where they are not UTF-8.

    A table that is wider than the terminal is shown as records, a line for every column.

    A field of a JSON payload, null where it is no JSON:

    select try(decode(payload)::json)->>'$.speed' as speed from bronze.events
    """
    if output is not None:
        check_output(output, answer_format)
    settings = Settings()
    with warehouse(settings) as lake:
        rows = lake.query(query)
        if not lake.is_written and any(f"{layer}." in query for layer in LAYERS):
            typer.echo(f"nothing has landed in {settings.lake.uri} yet (FLEETLAKE_LAKE__URI)", err=True)
        if output is not None:
            written = write_file(rows, output)
            typer.echo(f"{written} rows in {output}", err=True)
        else:
            show(rows, answer_format or Format.TABLE)


def check_output(output: Path, answer_format: Format | None) -> None:
    """A file says by its name what it is, and its folder is there, before a query is run for it."""
    ending = output.suffix.lower()
    if ending not in FILE_WRITERS:
        problem = f"{output.name}: the name must end in {', '.join(FILE_WRITERS)}"
        raise typer.BadParameter(problem, param_hint="--output")
    if answer_format is not None and ending != f".{answer_format}":
        problem = f"the file's name ({ending}) says what it is; leave --format out"
        raise typer.BadParameter(problem, param_hint="--format")
    if not output.parent.is_dir():
        problem = f"{output}: there is no folder {output.parent}"
        raise typer.BadParameter(problem, param_hint="--output")


def show(rows: Rows, answer_format: Format) -> None:
    """Prints an answer on standard output."""
    if answer_format is Format.JSON:
        write_json(rows, sys.stdout)
    elif answer_format is Format.CSV:
        write_csv(rows, sys.stdout)
    elif write_table(rows, terminal(sys.stdout)):
        typer.echo(f"the first {TABLE_ROWS} rows; --format csv or json gives all", err=True)
