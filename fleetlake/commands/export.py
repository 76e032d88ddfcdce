"""`fleetlake export`: a table, or the part of it that a condition names, as a file for other tools."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class FileFormat(StrEnum):
    """What a file holds."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"


def export(
    table: Annotated[str, typer.Argument(help="Such as gold.trips, silver.signals or bronze.events.")],
    file_format: Annotated[
        FileFormat | None,
        typer.Option(
            "--format",
            help="Parquet keeps types; csv and json have times as ISO 8601. Default: what the name of the "
            "file says, else parquet.",
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(help="A condition in SQL: \"event_date >= '2026-01-01' and vehicle_id = 'V1'\"."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The file; default: <table>.<format> here.")
    ] = None,
) -> None:
    """Write a table to a file, which appears when it is complete.

    For a colleague or a training set: `fleetlake export gold.trips --where "event_date >= '2026-01-01'"`.
    """
    from fleetlake.answers import write_file
    from fleetlake.commands.conditions import rows_where
    from fleetlake.commands.sql import check_output
    from fleetlake.marts import no_table, warehouse
    from fleetlake.settings import Settings

    file = output or Path(f"{table}.{file_format or FileFormat.PARQUET}")
    check_output(file, None)
    if file_format and file.suffix.lower() != f".{file_format}":
        problem = f"{file.name}: it is to hold {file_format}, so its name must end in .{file_format}"
        raise typer.BadParameter(problem, param_hint="--output")
    with warehouse(Settings()) as lake:
        known = lake.tables()
        if table not in known:
            raise typer.BadParameter(no_table(table, known), param_hint="TABLE")
        written = write_file(rows_where(lake, table, where or None), file)
    typer.echo(f"{written:,} rows of {table} in {file}")
