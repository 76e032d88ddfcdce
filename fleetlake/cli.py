"""The `fleetlake` command: one readable line for every failure, a traceback only with --debug."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="An open lakehouse for vehicle telemetry.")


@app.callback()
def options(debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False) -> None:
    """Options of every command."""


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
