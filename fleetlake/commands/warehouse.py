"""`fleetlake warehouse`: the marts as one DuckDB file for tools that want a file, and the lake itself for
Metabase."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The marts as one DuckDB file, for tools that want a file; the lake itself for Metabase.",
)


@app.command("publish")
def publish_warehouse() -> None:
    """Copy the marts as they are now into the file, which is replaced as a whole.

    Who has the old file open goes on reading it; who opens it next sees the new one.
    """
    from fleetlake.marts import warehouse_file
    from fleetlake.settings import Settings
    from transforms.load import load_models
    from transforms.publish import publish_marts

    settings = Settings()
    file = warehouse_file(settings)
    published = publish_marts(settings.lake, load_models(), file)
    if not published:
        typer.echo("there are no marts yet; `fleetlake materialize` makes them", err=True)
        raise typer.Exit(1)
    for name, rows in published.items():
        typer.echo(f"{name:24} {rows:>12,} rows")
    typer.echo(f"published in {file} ({file.stat().st_size:,} bytes)")


@app.command("path")
def warehouse_path() -> None:
    """Print where the file is, or will be."""
    from fleetlake.marts import warehouse_file
    from fleetlake.settings import Settings

    typer.echo(warehouse_file(Settings()))


@app.command("metabase-init")
def metabase_init(
    as_json: Annotated[
        bool,
        typer.Option("--json", help="The whole connection, as Metabase's API takes it, not only the SQL."),
    ] = False,
    endpoint: Annotated[
        str | None,
        typer.Option(help="Address of the S3 store as Metabase sees it, such as http://minio:9000."),
    ] = None,
    lake: Annotated[
        str | None,
        typer.Option(help="The lake as Metabase sees it, such as a folder mounted in its container."),
    ] = None,
    extensions: Annotated[
        Path | None,
        typer.Option(
            help="With --json: folder of DuckDB's extensions as Metabase sees it, where it has no internet."
        ),
    ] = None,
    with_credentials: Annotated[
        bool,
        typer.Option(
            "--with-credentials",
            help="Write the store's keys into the SQL, which Metabase's admins can read. Default: it takes "
            "them from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of its own environment.",
        ),
    ] = False,
) -> None:
    """Print what Metabase's DuckDB driver runs when it opens a connection: views of all tables of the lake.

    Print it anew after an upgrade, when there are new tables, and daily: the older it is, the more
    silver.signals_live has to read.
    """
    from fleetlake.metabase import metabase_connection
    from fleetlake.settings import Settings

    if extensions is not None and not as_json:
        problem = "it is a part of the connection, not of the SQL: add --json"
        raise typer.BadParameter(problem, param_hint="--extensions")
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        problem = f"{endpoint} does not say how to speak to it: http://... or https://..."
        raise typer.BadParameter(problem, param_hint="--endpoint")
    connection = metabase_connection(Settings(), endpoint=endpoint, lake=lake, names_keys=with_credentials)
    typer.echo(json.dumps(connection.details(extensions), indent=2) if as_json else connection.init_sql)
    if connection.missing:
        left_out = ", ".join(connection.missing)
        typer.echo(f"left out, because they are not there yet: {left_out}", err=True)
