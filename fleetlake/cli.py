"""The `fleetlake` command: every command family under one name, one readable line for every failure, a
traceback only with --debug. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 an operator must act, 130 Ctrl-C.
"""

import copy
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from fleetlake.commands import COMMANDS
from fleetlake.commands.doctor import DATA_DIR_OPTION
from fleetlake.failures import EXIT_INTERRUPTED, INTERRUPTED, describe_failure

PROGRAM = "fleetlake"
SHARED_OPTIONS = ("data_dir", "debug")


class Commands(TyperGroup):
    """All commands: outlines for the help, loaded when one is used. A name may be two words."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=entry.help, rich_help_panel=entry.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the words name, ready to run."""
        two_words = " ".join(args[:2])
        if two_words in COMMANDS:
            args = [two_words, *args[2:]]
        name, outline, rest = super().resolve_command(ctx, args)
        if name is None or outline is None:
            return name, outline, rest
        command = COMMANDS[name].load(name)
        _tell_unread_variables()
        accept_everywhere(command, [p for p in self.params if p.name in SHARED_OPTIONS])
        return name, command, rest


def _tell_unread_variables() -> None:
    """A variable with a misspelt name would be silent otherwise, and what it should have set as it was."""
    from fleetlake.settings import unread_variables

    for name, meant in unread_variables().items():
        hint = f"did you mean {meant}?" if meant else "`fleetlake doctor --json` shows all there are"
        typer.echo(f"fleetlake: there is no setting {name}; {hint}", err=True)


def accept_everywhere(command: Any, options: Sequence[Any]) -> None:
    """Lets a command and its subcommands take the options of every command behind their own name too."""
    for subcommand in getattr(command, "commands", {}).values():
        accept_everywhere(subcommand, options)
    if isinstance(command, TyperGroup):
        return
    own = {parameter.name for parameter in command.params}
    for option in options:
        if option.name not in own:
            shared = copy.copy(option)
            shared.expose_value = False
            command.params.append(shared)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="An open lakehouse for vehicle telemetry.",
)


def _choose_data_dir(ctx: typer.Context, value: Path | None) -> Path | None:
    if value is not None:
        ctx.meta[DATA_DIR_OPTION] = True
        from fleetlake.settings import choose_data_dir

        choose_data_dir(value)
    return value


def _show_version(value: bool) -> bool:
    if value:
        typer.echo(f"{PROGRAM} {metadata.version(PROGRAM)}")
        raise typer.Exit
    return value


@app.callback()
def options(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            callback=_choose_data_dir,
            is_eager=True,
            file_okay=False,
            show_default=".fleetlake, or FLEETLAKE_DATA_DIR",
            help="Folder of the local stack.",
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of every command; --data-dir and --debug may also stand behind the command's name."""
    del data_dir, debug, version


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; returns its exit code. Whatever fails becomes one line on stderr."""
    try:
        result = app(args=list(arguments), prog_name=PROGRAM, standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        result = EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the entry point: nothing ends in a traceback unasked
        if "--debug" in arguments:
            traceback.print_exc()
        failure = describe_failure(error)
        if failure.text:
            typer.echo(failure.text, err=True)
        return failure.exit_code
    if result == EXIT_INTERRUPTED:
        typer.echo(INTERRUPTED.text, err=True)
    return result if type(result) is int else 0


def main() -> None:
    """Entry point of the console script and of `python -m fleetlake.cli`."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
