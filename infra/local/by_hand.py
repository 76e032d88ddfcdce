"""The command line of a server that is run by hand: start, stop or status, in a folder of its own."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from fleetlake.failures import describe_failure
from fleetlake.stack import standalone

Start = Callable[[argparse.Namespace, Path], None]


def main(parser: argparse.ArgumentParser, start: Start) -> int:
    """Does what the command line says and returns the exit code. `parser` has the option --folder."""
    parser.add_argument("action", choices=["start", "stop", "status"])
    arguments = parser.parse_args()
    try:
        act(arguments, arguments.folder.absolute(), start)
    except Exception as error:  # noqa: BLE001 - the entry point: a failure is one readable line
        failure = describe_failure(error)
        print(failure.text, file=sys.stderr)
        return failure.exit_code
    return 0


def act(arguments: argparse.Namespace, folder: Path, start: Start) -> None:
    """Starts the servers, or ends or lists those that were started here."""
    if arguments.action == "start":
        start(arguments, folder)
        return
    processes = standalone.stop(folder) if arguments.action == "stop" else standalone.read(folder)
    for process in processes:
        print(process.name, process.address, "runs" if process.identity.is_alive else "does not run")
