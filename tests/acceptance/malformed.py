"""Every kind of bad message among good ones, through the whole local stack.

All good messages must land and reach the state; every bad one must be a row of bronze with its bytes and its
reason and, where it is rejected whole, exactly one dead letter with the same reason; of messages with one bad
signal the others live; no process restarts. Prints a JSON verdict; exits 1 if anything is off.

    python -m tests.acceptance.malformed
"""

import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from broker.producer import Producer
from contracts.load import load_registry
from contracts.reasons import Reason
from fleetlake.settings import Settings, choose_data_dir
from lake.query import connect
from tests.acceptance.kill_any_sink import Stack, running_stack
from tests.contracts.test_malformed import PARTLY, WHOLE

GOOD_BETWEEN = 25
"""Good messages before each bad one."""


def good(number: int) -> bytes:
    """A message of a vehicle that sends nothing else."""
    return (
        f'{{"did":"good-{number % 10}","timestamp":{1_760_000_000_000 + number},"name":"odometer",'
        f'"float_value":{number}.5}}'
    ).encode()


def of_today(payload: bytes | None, reason: Reason) -> bytes | None:
    """A time that is too far ahead is so against the broker's clock."""
    if reason is not Reason.FUTURE_TIME or payload is None:
        return payload
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return payload.replace(b"2025-10-28", tomorrow.strftime("%Y-%m-%d").encode())


def send_all(settings: Settings) -> tuple[dict[str, tuple[str, bytes | None]], int]:
    """Sends good and bad messages in turn; kind -> (topic, payload) of the bad, and how many were good."""
    topics = {name: next(iter(contract.topics)) for name, contract in load_registry().contracts.items()}
    kinds: dict[str, tuple[str, Reason, bytes | None]] = {
        kind: (topics[bad.source], bad.reason, bad.payload) for kind, bad in WHOLE.items()
    }
    kinds |= {
        f"partly: {kind}": (topics[bad.source], bad.reason, bad.payload) for kind, bad in PARTLY.items()
    }
    producer, sent, number = Producer(settings.kafka), {}, 0
    for kind, (topic, reason, payload) in kinds.items():
        for _ in range(GOOD_BETWEEN):
            producer.send(topics["tcu"], b"good", good(number))
            number += 1
        sent[kind] = (topic, of_today(payload, reason))
        producer.send(topic, f"kind {kind}".encode(), sent[kind][1])
    producer.flush()
    if producer.failed:
        message = f"{producer.failed} messages were not acknowledged: {producer.first_failure}"
        raise SystemExit(message)
    return sent, number


def check(
    stack: Stack, settings: Settings, sent: dict[str, tuple[str, bytes | None]], good_count: int
) -> list[str]:
    """What is not as it should be."""
    problems: list[str] = []
    with connect(settings.lake) as warehouse:
        rows = (
            warehouse.query(
                'select key, payload, topic, partition, "offset" as position, error, '
                "list_transform(signals, s -> s.signal) as accepted, "
                "list_transform(rejected_signals, s -> [s.signal, s.reason]) as refused from bronze.events"
            )
            .table()
            .to_pylist()
        )
    landed: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        landed.setdefault(bytes(row["key"]).decode(), []).append(row)
    letters: dict[tuple[str, int, int], list[str]] = {}
    for letter in json.loads(stack.call("deadletters", "list", "--json", "--limit", "1000000")):
        place = (letter["source_topic"], letter["partition"], letter["offset"])
        letters.setdefault(place, []).append(letter["error"])
    goods = landed.pop("good", [])
    if len(goods) != good_count or any(row["error"] for row in goods):
        problems.append(f"{len(goods)} good messages landed, {good_count} were sent")
    for kind, (_, payload) in sent.items():
        found = landed.pop(f"kind {kind}", [])
        if len(found) != 1 or found[0]["payload"] != payload:
            problems.append(f"{kind}: {len(found)} rows, or other bytes")
            continue
        problems += [f"{kind}: {problem}" for problem in judge(kind, found[0], letters)]
    problems += [f"unexpected row with key {key}" for key in landed]
    if letters:
        problems.append(f"dead letters of messages that were not rejected: {sorted(letters)[:5]}")
    state = json.loads(stack.call("state", "good-3"))
    if "odometer" not in json.dumps(state):
        problems.append(f"the state of a good vehicle is {state}")
    return problems


def judge(kind: str, row: dict[str, Any], letters: dict[tuple[str, int, int], list[str]]) -> list[str]:
    """What is wrong with the row of one bad message, and with its dead letter."""
    errors = letters.pop((row["topic"], row["partition"], row["position"]), [])
    if kind.startswith("partly: "):
        partly = PARTLY[kind.removeprefix("partly: ")]
        as_expected = (
            row["error"] is None
            and partly.accepted <= set(row["accepted"])
            and [partly.refused, partly.reason.value] in row["refused"]
            and not errors
        )
        return [] if as_expected else [f"{row['error']}, {row['accepted']}, {row['refused']}, {errors}"]
    expected = WHOLE[kind].reason.value
    if row["error"] != expected or errors != [expected]:
        return [f"expected {expected}, bronze has {row['error']}, dead letters {errors}"]
    return []


def main() -> int:
    """Runs and prints the verdict."""
    with (
        tempfile.TemporaryDirectory(prefix="fleetlake-malformed-") as folder,
        running_stack(Path(folder)) as stack,
    ):
        choose_data_dir(Path(folder))
        sent, good_count = send_all(Settings())
        stack.call("wait", "--timeout", "120")
        problems = check(stack, Settings(), sent, good_count)
        processes = json.loads(stack.call("status", "--json"))["processes"]
        restarts = sum(process["restarts"] for process in processes)
        audit = json.loads(stack.call("audit", "--json", check=False))
    if restarts:
        problems.append(f"{restarts} restarts")
    problems += [str(problem) for problem in audit["problems"]]
    verdict = {
        "ok": not problems,
        "kinds_rejected_whole": len(WHOLE),
        "kinds_rejected_in_part": len(PARTLY),
        "good": good_count,
        "restarts": restarts,
        "audit_ok": audit["ok"],
        "problems": problems,
    }
    print(json.dumps(verdict, indent=2))
    return 0 if verdict["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
