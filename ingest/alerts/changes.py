"""An alert opens, or is over: what is told of it, the same whoever finds it and however often."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Literal

from contracts.times import iso_text
from ingest.alerts.rules import Rule
from ingest.alerts.values import Value, value_text

_SEPARATOR: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class Change:
    """Of one rule's alert on one vehicle. Times in microseconds since the epoch, by the readings."""

    event: Literal["opened", "resolved"]
    rule: str
    opened_us: int
    at_us: int
    """When it opened, or was over."""

    value: Value | None
    """What opened it."""


def alert_id(rule: str, vehicle_id: str, opened_us: int) -> str:
    """One alert has one id, wherever it is found."""
    text = _SEPARATOR.join((rule, vehicle_id, str(opened_us)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def delivery_id(alert: str, event: str, webhook: str) -> str:
    """What is posted to one webhook has one id, however often it is tried."""
    return hashlib.sha256(_SEPARATOR.join((alert, event, webhook)).encode()).hexdigest()[:32]


def summary(rule: Rule, vehicle_id: str, change: Change) -> str:
    """The rule's text, filled in."""
    values = {
        "vehicle": vehicle_id,
        "rule": rule.name,
        "value": value_text(change.value),
        "severity": rule.severity,
        "time": iso_text(change.opened_us),
    }
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], rule.summary)
