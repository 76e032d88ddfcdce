"""Kill -9 of any sink at any moment, under load, on the local stack: nothing lost, nothing doubled.

Starts a stack in a folder of its own, sends paced traffic with bad messages in it, and kills the sinks again
and again, side by side. A kill counts only if the victim had read messages that it had not committed. In the
end the audit must be clean, and the dead letters that a read-committed reader sees must be exactly those of
the messages that the simulator knows to be bad. Prints a JSON verdict; exits 1 if anything is off.

    python -m tests.acceptance.kill_any_sink --messages 200000 --kills 20
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SINKS = ("history", "state", "routes")
POLL_SECONDS = 0.02


class Stack:
    """A local stack in a folder of its own, spoken to by its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "fleetlake.cli", "--data-dir", str(self.folder), *words]

    def call(self, *words: str, check: bool = True) -> str:
        """Runs a command to its end; its standard output."""
        done = subprocess.run(self.command(*words), stdout=subprocess.PIPE, text=True, check=check)
        return done.stdout

    def cards(self) -> dict[str, tuple[int, int]]:
        """Sink -> (pid, metrics port) of the processes that serve metrics now."""
        found = {}
        for card in (self.folder / "run").glob("*-*.json"):
            try:
                fields = json.loads(card.read_text())
                os.kill(fields["pid"], 0)
            except (OSError, ValueError):
                continue
            if fields.get("sink") in SINKS:
                found[fields["sink"]] = (fields["pid"], fields["port"])
        return found


def metric(port: int, name: str) -> float | None:
    """The sum of a metric over its labels; None where the process does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return None
    values = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name}{{", f"{name} "))]
    return sum(values) if values else None


def kill_when_holding(stack: Stack, sink: str, deadline: float) -> dict[str, Any] | None:
    """Kills the sink while it holds uncommitted messages; returns how long it took to commit again."""
    while time.monotonic() < deadline:
        card = stack.cards().get(sink)
        if card is None:
            time.sleep(POLL_SECONDS)
            continue
        pid, port = card
        held = metric(port, "fleetlake_uncommitted_records")
        if not held:
            time.sleep(POLL_SECONDS)
            continue
        os.kill(pid, signal.SIGKILL)
        return {"sink": sink, "held": int(held), "recovery_s": recovery(stack, sink, pid)}
    return None


def recovery(stack: Stack, sink: str, dead: int, limit: float = 60.0) -> float:
    """Seconds until a successor of the dead process has committed something."""
    began = time.monotonic()
    while time.monotonic() - began < limit:
        card = stack.cards().get(sink)
        if card is not None and card[0] != dead and metric(card[1], "fleetlake_batches_total"):
            return round(time.monotonic() - began, 2)
        time.sleep(POLL_SECONDS)
    message = f"{sink} did not come back within {limit:g} s"
    raise SystemExit(message)


def kill_while(
    stack: Stack, sender: subprocess.Popen[str], arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Kills each sink again and again, side by side, as long as the load lasts."""
    kills: list[dict[str, Any]] = []
    deadline = time.monotonic() + arguments.messages / arguments.rate + 60

    def hunt(sink: str) -> None:
        rng = random.Random(f"{arguments.seed} {sink}")
        while sender.poll() is None and len(kills) < arguments.kills:
            time.sleep(rng.uniform(0.2, 3.0))
            kill = kill_when_holding(stack, sink, deadline)
            if kill is not None:
                kills.append(kill)
                print(json.dumps(kill), file=sys.stderr, flush=True)

    hunters = [threading.Thread(target=hunt, args=[sink]) for sink in SINKS]
    for hunter in hunters:
        hunter.start()
    for hunter in hunters:
        hunter.join()
    return kills


def dead_letters(stack: Stack) -> Counter[tuple[str, int, int]]:
    """Source coordinates of every dead letter a read-committed reader sees, with how often."""
    listed = json.loads(stack.call("deadletters", "list", "--json", "--limit", "10000000"))
    return Counter((row["source_topic"], row["partition"], row["offset"]) for row in listed)


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """The stack, up and ready; down at the end."""
    stack = Stack(folder)
    stack.call("up", "--detach")
    try:
        yield stack
    finally:
        stack.call("down", check=False)


def run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One run; its verdict."""
    with running_stack(folder) as stack:
        load = ["simulate", "--source", "tcu", "--source", "car", "--source", "pressure", "--sensors", "10"]
        load += ["--count", str(arguments.messages), "--rate", str(arguments.rate), "--invalid", "0.05"]
        sender = subprocess.Popen(stack.command(*load), stdout=subprocess.PIPE, text=True)
        kills = kill_while(stack, sender, arguments)
        sent = json.loads(sender.communicate()[0])
        stack.call("wait", "--timeout", "300")
        audit = json.loads(stack.call("audit", "--json", check=False))
        letters = dead_letters(stack)
        rejected = json.loads(
            stack.call(
                "sql",
                'select topic, partition, "offset" from bronze.events where error is not null',
                "--format",
                "json",
            )
        )
        rows = json.loads(stack.call("sql", "select count(*) as n from bronze.events", "--format", "json"))
    bad = {(row["topic"], row["partition"], row["offset"]) for row in rejected}
    total = sent["total"]
    return {
        "sent": total["acknowledged"],
        "sent_invalid": sum(total["invalid_by_reason"].values()),
        "rows": rows[0]["n"],
        "rows_rejected": len(bad),
        "dead_letters": sum(letters.values()),
        "dead_letters_missing": len(bad - letters.keys()),
        "dead_letters_unexpected": len(letters.keys() - bad),
        "dead_letters_doubled": sum(count - 1 for count in letters.values()),
        "audit_ok": audit["ok"],
        "audit_problems": audit["problems"][:10],
        "kills": len(kills),
        "kills_by_sink": dict(Counter(kill["sink"] for kill in kills)),
        "recovery_s": {
            sink: sorted(kill["recovery_s"] for kill in kills if kill["sink"] == sink) for sink in SINKS
        },
        "held": [kill["held"] for kill in kills],
    }


def is_good(verdict: dict[str, Any], arguments: argparse.Namespace) -> bool:
    """Whether everything promised held."""
    return (
        verdict["audit_ok"]
        and verdict["rows"] == verdict["sent"]
        and verdict["rows_rejected"] == verdict["sent_invalid"] == verdict["dead_letters"]
        and not verdict["dead_letters_missing"]
        and not verdict["dead_letters_unexpected"]
        and not verdict["dead_letters_doubled"]
        and verdict["kills"] >= arguments.kills
        and all(verdict["kills_by_sink"].get(sink, 0) >= arguments.kills // 4 for sink in SINKS)
    )


def main() -> int:
    """Runs and prints the verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--rate", type=float, default=1_000.0, help="messages a second")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleetlake-kills-") as folder:
        verdict = run(arguments, Path(folder))
    good = is_good(verdict, arguments)
    print(json.dumps({"ok": good, **verdict}, indent=2))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
