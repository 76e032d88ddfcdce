"""What happened, in a sentence for the person in front of the screen, for every event that concerns them."""

from collections.abc import Callable, Mapping
from typing import Any

Fields = Mapping[str, Any]

LOST_LOG = (
    "the embedded broker was not stopped cleanly: it may have lost what it acknowledged last (a "
    "second, more with a large log). Its log has a new id, so history lands it again from its start: "
    "bronze will hold those rows twice, under two ids; silver and the state are not affected"
)


def _crashed(fields: Fields) -> str:
    reason = f": {fields['reason']}" if fields.get("reason") else ""
    return f"{fields['process']} {fields['how']}{reason}; started again in {fields['restart_in_s']:g} s"


SENTENCES: dict[str, Callable[[Fields], str]] = {
    "incarnation_renewed": lambda fields: LOST_LOG,
    "history_lands_again": lambda fields: f"history will land {fields['messages']:,} messages again",
    "leftover_found": lambda f: f"ending {f['process']} (pid {f['child_pid']}), left by a killed stack",
    "log_not_saved": lambda f: f"the broker could not save its log in {f['folder']}: is the disk full?",
    "process_crashed": _crashed,
    "process_killed": lambda f: f"{f['process']} did not finish within {f['after_s']:g} s and was killed",
    "process_needs_operator": lambda f: f"{f['process']} needs you: {f.get('reason') or f['how']}",
    "process_not_started": lambda f: f"{f['process']}: {f['reason']}; again in {f['again_in_s']:g} s",
    "server_did_not_start": lambda f: f"{f['reason']}; again in {f['again_in_s']:g} s",
    "server_died": lambda f: f"{f['process']} {f['how']}; it is started again",
    "server_started": lambda f: f"{f['process']} listens on port {f['port']}",
    "server_stopped_badly": lambda f: f"{f['process']} could not be stopped in order: {f['reason']}",
    "stack_file_not_written": lambda f: f"the stack's addresses could not be written: {f['reason']}",
    "stack_ready": lambda f: f"ready: kafka {f['kafka']}, mongo {f['mongo']}",
    "stack_stopped": lambda f: "stopped" if f["is_clean"] else "stopped, but not everything ended cleanly",
    "stack_stopping": lambda f: "stopping: the sinks finish their batches, the broker saves its log",
    "topics_created": lambda f: f"{f['count']} topics created",
}


def sentence(event: str, fields: Fields) -> str | None:
    """The sentence for an event; None for those that only the log needs."""
    tell = SENTENCES.get(event)
    return None if tell is None else tell(fields)
