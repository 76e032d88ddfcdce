"""What is posted: a shape that stays, a signature that anybody can check, and what Alertmanager takes."""

import hashlib
import hmac
import json
import re
import time
from pathlib import Path
from typing import Any

from ingest.alerts.payload import FIRES_FOR_US, document, for_alertmanager, signature

PAGE = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
ALERT: dict[str, Any] = {
    "alert_id": "a" * 32,
    "rule": "too_fast",
    "vehicle_id": "CAR_001",
    "severity": "critical",
    "summary": 'CAR "1" é',
    "value": 142.0,
    "opened_us": 1_772_366_405_000_000,
    "at_us": 1_772_366_409_500_000,
}


def test_the_document_has_the_shape_of_the_page() -> None:
    """docs/alerts.md shows one: the same members, in the same order, of the same kinds."""
    shown = json.loads(next(re.finditer(r"```json\n(.*?)```", PAGE, re.DOTALL))[1])
    sent = json.loads(document("d" * 32, "opened", ALERT))
    assert list(sent) == list(shown)
    assert list(sent["alert"]) == list(shown["alert"])
    assert {name: type(value) for name, value in sent["alert"].items()} == {
        name: type(value) for name, value in shown["alert"].items()
    }


def test_what_is_over_says_when() -> None:
    """And nothing else differs."""
    opened = json.loads(document("d", "opened", ALERT))["alert"]
    resolved = json.loads(document("d", "resolved", ALERT))["alert"]
    assert resolved == {**opened, "state": "resolved", "resolved_time": "2026-03-01T12:00:09.500Z"}


def test_the_verification_of_the_page_accepts_ours_and_nothing_else() -> None:
    """The Python of docs/alerts.md, as it stands there."""
    names: dict[str, Any] = {"hashlib": hashlib, "hmac": hmac, "time": time}
    exec(next(re.finditer(r"```python\n(.*?)```", PAGE, re.DOTALL))[1], names)  # noqa: S102 - the page's own code
    is_genuine = names["is_genuine"]
    body, now_s = document("d", "opened", ALERT), int(time.time())
    header = signature("secret", body, now_s)
    assert is_genuine("secret", header, body)
    assert not is_genuine("other", header, body)
    assert not is_genuine("secret", header, body + b" ")
    assert not is_genuine("secret", header.replace(str(now_s), str(now_s - 1)), body)
    assert not is_genuine("secret", signature("secret", body, now_s - 301), body)


def test_alertmanager_gets_labels_that_tell_alerts_apart() -> None:
    """Open ones for as long as we may be away; what is over, with its end."""
    now_us = ALERT["opened_us"] + 5_000_000
    [opened] = json.loads(for_alertmanager([(ALERT, None)], now_us))
    assert opened["labels"] == {
        "alertname": "too_fast", "vehicle": "CAR_001", "severity": "critical", "alert_id": "a" * 32
    }  # fmt: skip
    assert opened["annotations"] == {"summary": 'CAR "1" é', "value": "142"}
    assert opened["startsAt"] == "2026-03-01T12:00:05.000Z"
    assert opened["endsAt"] == "2026-03-01T13:00:10.000Z"
    assert FIRES_FOR_US == 3_600_000_000
    [over] = json.loads(for_alertmanager([(ALERT, ALERT["opened_us"])], now_us))
    assert over["endsAt"] == "2026-03-01T12:00:05.001Z"
