"""The public surface of the command line: every command, where it lives, and its line in the help. Modules
are imported only when their command is used, so that help is quick."""

from dataclasses import dataclass
from importlib import import_module

import typer
from typer.core import TyperCommand, TyperGroup

STACK = "Local stack"
SEND = "Messages in"
ASK = "Answers out"
DEFINE = "Contracts and topics"
LET_IN = "Who may ask"


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: a function, or a Typer app for a family."""

    panel: str
    module: str
    attribute: str
    help: str

    def load(self, name: str) -> TyperCommand | TyperGroup:
        """The command itself, under `name`."""
        found = getattr(import_module(f"{__name__}.{self.module}"), self.attribute)
        app = found
        if not isinstance(found, typer.Typer):
            app = typer.Typer(add_completion=False)
            app.command(name)(found)
        command = typer.main.get_command(app)
        command.name = name
        if not isinstance(command, TyperCommand | TyperGroup):
            raise TypeError(command)
        return command


COMMANDS = {
    "demo": Entry(STACK, "demo", "demo", "From nothing to a proof: the main job on the local stack."),
    "up": Entry(STACK, "stack", "up", "Start the local stack and watch it."),
    "down": Entry(STACK, "stack", "down", "Stop the local stack."),
    "status": Entry(STACK, "stack", "status", "Addresses, processes, lag and rates."),
    "wait": Entry(STACK, "stack", "wait", "Return when the sinks have reached the log's end."),
    "doctor": Entry(STACK, "doctor", "doctor", "What is configured, reachable and wrong."),
    "simulate": Entry(SEND, "simulate", "simulate", "Vehicles that drive, charge, sleep and fail."),
    "replay": Entry(SEND, "simulate", "replay", "Send a recorded file."),
    "ingest": Entry(SEND, "ingest", "ingest", "Run the sinks: history, state, routes."),
    "gateway": Entry(SEND, "gateway", "gateway", "Take events over HTTP."),
    "checkpoint": Entry(SEND, "checkpoint", "app", "Where the history stands, and repairs of it."),
    "deadletters": Entry(SEND, "deadletters", "app", "Messages that were rejected: list, show, redrive."),
    "materialize": Entry(ASK, "materialize", "materialize", "Bring silver and the marts up to date."),
    "maintain": Entry(ASK, "maintain", "maintain", "Few large files, and no leftovers."),
    "redecode": Entry(ASK, "redecode", "redecode", "Silver again, after a contract was corrected."),
    "trace": Entry(ASK, "trace", "trace", "The Kafka messages behind a row."),
    "warehouse": Entry(ASK, "warehouse", "app", "The marts as one DuckDB file."),
    "serve": Entry(ASK, "serve", "serve", "The read API and the live page, over HTTP."),
    "sql": Entry(ASK, "sql", "sql", "Ask the lake a question in SQL."),
    "export": Entry(ASK, "export", "export", "A table, or a part of it, as a file."),
    "state": Entry(ASK, "state", "state", "The latest state of a vehicle, or of all."),
    "state rebuild": Entry(ASK, "audit", "state_rebuild", "Compute the state anew from the history."),
    "audit": Entry(ASK, "audit", "audit", "Prove that nothing was lost or doubled."),
    "alerts": Entry(ASK, "alerts", "app", "Rules over what vehicles send, and their alerts."),
    "contracts": Entry(DEFINE, "contracts", "app", "What the messages of a source mean."),
    "topics": Entry(DEFINE, "topics", "app", "Create and list the Kafka topics."),
    "init": Entry(DEFINE, "init", "init", "What a deployment needs before its first process."),
    "keys": Entry(LET_IN, "keys", "app", "API keys of the HTTP interfaces: add, list, revoke."),
}
