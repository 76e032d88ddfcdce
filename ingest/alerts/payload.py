"""What is posted to a webhook: a document of a fixed shape, signed; or what Alertmanager takes.
docs/alerts.md has both for people."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from contracts.times import iso_text
from ingest.alerts.values import value_text

VERSION: Final = 1
SIGNATURE: Final = "Fleetlake-Signature"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"

FIRES_FOR_US: Final = 3600 * 1_000_000
"""How long Alertmanager takes an alert for open that it hears no more of: longer than any restart."""

LEAST_US: Final = 1000
"""An alert of no length has no end to Alertmanager."""

Alert = Mapping[str, Any]


def document(delivery_id: str, event: str, alert: Alert) -> bytes:
    """The same bytes whoever sends it, and however often."""
    resolved_us = alert["at_us"] if event == "resolved" else None
    return msgspec.json.encode(
        {
            "version": VERSION,
            "delivery_id": delivery_id,
            "event": event,
            "alert": {
                "alert_id": alert["alert_id"],
                "rule": alert["rule"],
                "vehicle_id": alert["vehicle_id"],
                "state": "open" if resolved_us is None else "resolved",
                "severity": alert["severity"],
                "summary": alert["summary"],
                "value": alert["value"],
                "opened_time": iso_text(alert["opened_us"]),
                "resolved_time": None if resolved_us is None else iso_text(resolved_us),
            },
        }
    )


def for_alertmanager(alerts: Sequence[tuple[Alert, int | None]], now_us: int) -> bytes:
    """Alerts, each with the time at which it was over, as `POST /api/v2/alerts` takes them."""
    return msgspec.json.encode([_posted(alert, ended_us, now_us) for alert, ended_us in alerts])


def signature(secret: str, body: bytes, now_s: int) -> str:
    """`t=<seconds since the epoch>,v1=<hex>`: HMAC-SHA256 of the time, a dot and the body. The time is part
    of it, so that what was recorded is of no use later."""
    signed = b"%d." % now_s + body
    return f"t={now_s},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def _posted(alert: Alert, ended_us: int | None, now_us: int) -> dict[str, Any]:
    started_us = alert["opened_us"]
    end_us = now_us + FIRES_FOR_US if ended_us is None else max(ended_us, started_us + LEAST_US)
    return {
        "labels": {
            "alertname": alert["rule"],
            "vehicle": alert["vehicle_id"],
            "severity": alert["severity"],
            "alert_id": alert["alert_id"],
        },
        "annotations": {"summary": alert["summary"], "value": value_text(alert["value"])},
        "startsAt": iso_text(started_us),
        "endsAt": iso_text(max(end_us, started_us + LEAST_US)),
    }
