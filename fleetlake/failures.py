"""What a failure looks like to the person at the terminal: one line, and an exit code for scripts."""

from dataclasses import dataclass
from typing import Any

import typer

from ingest.errors import EXIT_FAILED, EXIT_OPERATOR_NEEDED

OUR_PACKAGES = frozenset(
    {
        "contracts",
        "broker",
        "lake",
        "ingest",
        "simulate",
        "transforms",
        "orchestration",
        "serving",
        "fleetlake",
        "infra",
    }
)

EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Failure:
    """The line to print, and the code to exit with."""

    text: str
    exit_code: int


INTERRUPTED = Failure("fleetlake: interrupted", EXIT_INTERRUPTED)


class OperatorMustAct(Exception):
    """A process ended for a reason that a restart does not cure.

    Operator action: what the reason says; a supervisor tries again now and then all the same.
    """

    def __init__(self, reason: BaseException) -> None:
        self.reason = reason
        super().__init__(one_line(str(reason)))


def describe_failure(error: BaseException) -> Failure:
    """The failure that an exception means to its user."""
    if _is_interruption(error):
        return INTERRUPTED
    if isinstance(error, typer.TyperException):
        return _wrong_usage(error)
    if _is_ours(error):
        exit_code = EXIT_OPERATOR_NEEDED if isinstance(error, OperatorMustAct) else EXIT_FAILED
        return Failure(f"fleetlake: {one_line(str(error))}{_hint(error)}{_name(error)}", exit_code)
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return Failure(f"fleetlake: {error.strerror}{where}", EXIT_FAILED)
    text = f"{type(error).__name__}: {one_line(str(error))}"
    return Failure(f"fleetlake: unexpected {text} (--debug shows where)", EXIT_FAILED)


def one_line(text: str) -> str:
    """The text without line breaks."""
    return " ".join(text.split())


def _is_interruption(error: BaseException | None) -> bool:
    """Whether it comes of Ctrl-C: DuckDB makes a RuntimeError of the KeyboardInterrupt that it meets.

    What was raised in another's place may be that one's cause, and stand before itself.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _is_ours(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in OUR_PACKAGES


def _name(error: BaseException) -> str:
    """What to look up in docs/runbook.md, for an error that is described there."""
    meant = error.reason if isinstance(error, OperatorMustAct) else error
    return f" [{type(meant).__name__}]" if "Operator action:" in (type(meant).__doc__ or "") else ""


def _hint(error: BaseException) -> str:
    """For a server that is away and was never named: the stack is probably not running."""
    home = type(error).__module__.partition(".")[0]
    section = {"broker": ("kafka", "bootstrap_servers"), "lake": ("mongo", "uri")}.get(home)
    if section is None or type(error).__module__ == "lake.spark_session":  # Spark is no part of a stack
        return ""
    from fleetlake.settings import STACK_FILE, Settings, is_explicit

    data_dir = Settings().data_dir
    if is_explicit(*section) or (data_dir / STACK_FILE).exists() or not _is_transient(error):
        return ""
    return f" (no local stack runs in {data_dir}: `fleetlake up --detach` starts one)"


def _is_transient(error: BaseException) -> bool:
    return any(base.__name__ == "Transient" for base in type(error).__mro__)


def _wrong_usage(error: typer.TyperException) -> Failure:
    message = error.format_message().replace(": Value error, ", ": ")
    if not message:
        return Failure("", error.exit_code)  # a command without arguments: its help has been shown
    context: Any = getattr(error, "ctx", None)
    help_hint = f" (`{context.command_path} --help` shows how)" if context is not None else ""
    return Failure(f"fleetlake: {message}{help_hint}", error.exit_code)
