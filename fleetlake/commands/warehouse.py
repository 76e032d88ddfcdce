"""`fleetlake warehouse`: the marts as one DuckDB file, for tools that want a file."""

from pathlib import Path

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The marts as one DuckDB file, for tools that want a file.",
)


@app.command("publish")
def publish_warehouse() -> None:
    """Copy the marts as they are now into the file, which is replaced as a whole.

    Who has the old file open goes on reading it; who opens it next sees the new one.
    """
    from fleetlake.settings import Settings
    from lake.storage import wait_ready
    from lake.tables import exists
    from lake.warehouse import Description, publish
    from transforms.document import described
    from transforms.load import load_models
    from transforms.plan import GOLD

    settings = Settings()
    store = wait_ready(settings.lake, writes=False)
    models = [model for name, model in load_models().items() if name.startswith(GOLD)]
    present = [model for model in models if exists(store, model.name)]
    if not present:
        typer.echo("there are no marts yet; `fleetlake materialize` makes them", err=True)
        raise typer.Exit(1)
    file = _file()
    tables = {
        model.name: Description(
            model.about.description.strip(),
            {name: described(column) for name, column in model.about.columns.items()},
            [name for name in (model.about.partition, *model.about.sort) if name is not None],
        )
        for model in present
    }
    for name, rows in publish(settings.lake, file, tables).items():
        typer.echo(f"{name:24} {rows:>12,} rows")
    typer.echo(f"published in {file} ({file.stat().st_size:,} bytes)")


@app.command("path")
def warehouse_path() -> None:
    """Print where the file is, or will be."""
    typer.echo(_file())


def _file() -> Path:
    from fleetlake.settings import Settings

    settings = Settings()
    return (settings.warehouse or settings.data_dir / "warehouse" / "fleetlake.duckdb").absolute()
