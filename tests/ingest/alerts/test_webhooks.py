"""The courier of one webhook: how long it waits, and when it gives up."""

import threading
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.alerts.metrics import AlertMetrics
from ingest.alerts.post import Answer, Poster
from ingest.alerts.rules import Webhook
from ingest.alerts.settings import AlertSettings
from ingest.alerts.webhooks import REPEATED_AT_ONCE, Courier
from ingest.process import logger
from lake.alert_outbox import Delivery

NOW_US = 1_772_366_405_000_000
ALERT: dict[str, Any] = {
    "alert_id": "a1", "rule": "fast", "vehicle_id": "v", "severity": "warning", "summary": "s", "value": 1.0,
    "opened_us": NOW_US, "at_us": NOW_US,
}  # fmt: skip


@dataclass
class FakeOutbox:
    """One delivery, and what was done with it."""

    tries: int = 1
    age_us: int = 0
    done: list[tuple[Any, ...]] = field(default_factory=list)

    def claim(self, webhook: str, now_us: int, lease_us: int, owner: str) -> Delivery | None:
        self.done.append(("claim", webhook, lease_us))
        return Delivery("d1", webhook, "opened", ALERT, self.tries, now_us - self.age_us)

    def delivered(self, delivery: Delivery, now_us: int) -> None:
        self.done.append(("delivered",))

    def postpone(self, delivery: Delivery, owner: str, due_us: int, reason: str) -> None:
        self.done.append(("postpone", due_us - NOW_US, reason))

    def give_up(self, delivery: Delivery, owner: str, now_us: int, reason: str) -> None:
        self.done.append(("give_up", reason))


@dataclass
class FakePoster(Poster):
    """Answers as it is told."""

    answers: list[Answer]
    posted: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)

    def post(self, body: bytes, headers: Any, now: Any) -> Answer:
        self.posted.append((body, headers))
        return self.answers.pop(0)


@dataclass
class Open:
    """Alerts that are open."""

    alerts: list[dict[str, Any]] = field(default_factory=list)

    def open_of_webhook(self, webhook: str, most: int) -> list[dict[str, Any]]:
        assert most == REPEATED_AT_ONCE
        return self.alerts


def courier(outbox: FakeOutbox, webhook: Webhook | None = None, alerts: Open | None = None) -> Courier:
    """Of `ops`, at a moment that does not pass."""
    return Courier(
        "ops",
        webhook or Webhook(url="http://x/"),
        SecretStr("s"),
        outbox,
        alerts or Open(),
        AlertSettings(webhook_tries=5, webhook_hours=1.0, webhook_longest_pause_seconds=4.0),
        AlertMetrics(),
        logger("alerts"),
        lambda: NOW_US,
        threading.Event(),
        Random(1),  # noqa: S311 - how long to wait
    )


@pytest.mark.parametrize(
    ("tries", "least", "most"), [(1, 0.5, 1.0), (2, 1.0, 2.0), (3, 2.0, 4.0), (4, 2.0, 4.0)]
)  # fmt: skip
def test_pauses_double_up_to_the_longest_and_differ(tries: int, least: float, most: float) -> None:
    """Within half and all of it."""
    pauses = set()
    for _ in range(20):
        outbox = FakeOutbox(tries)
        assert courier(outbox).send_next(FakePoster([Answer("again", "no")]))
        kind, pause_us, reason = outbox.done[-1]
        assert (kind, reason) == ("postpone", "no")
        assert least * 1e6 <= pause_us <= most * 1e6
        pauses.add(pause_us)
    assert pauses


def test_a_webhook_may_ask_for_a_longer_pause() -> None:
    """Not for a shorter one."""
    for asked, expected in ((60.0, 60e6), (0.0, None)):
        outbox = FakeOutbox()
        courier(outbox).send_next(FakePoster([Answer("again", "busy", asked)]))
        pause_us = outbox.done[-1][1]
        assert pause_us == expected if expected else pause_us >= 0.5e6


@pytest.mark.parametrize(
    ("outbox", "answer", "outcome"),
    [
        (FakeOutbox(), Answer("delivered"), ("delivered",)),
        (FakeOutbox(), Answer("refused", "answered 400"), ("give_up", "answered 400")),
        (FakeOutbox(tries=5), Answer("again", "no"), ("give_up", "no")),
        (FakeOutbox(age_us=3_600_000_000), Answer("again", "no"), ("give_up", "no")),
        (FakeOutbox(tries=5), Answer("delivered"), ("delivered",)),
    ],
)
def test_patience_is_over_by_tries_or_by_hours(outbox: FakeOutbox, answer: Answer, outcome: Any) -> None:
    """And what is refused is given up at once."""
    courier(outbox).send_next(FakePoster([answer]))
    assert outbox.done[-1] == outcome


def test_a_lease_is_longer_than_a_try() -> None:
    """Else two would send at once."""
    outbox = FakeOutbox()
    courier(outbox).send_next(FakePoster([Answer("delivered")]))
    assert outbox.done[0][2] > AlertSettings().webhook_timeout_seconds * 1_000_000


def test_alertmanager_hears_again_of_what_is_open() -> None:
    """All at once; of nothing it hears nothing."""
    webhook = Webhook(url="http://x/", format="alertmanager")
    poster = FakePoster([Answer("delivered")])
    courier(FakeOutbox(), webhook, Open([{**ALERT, "_id": "a1"}, {**ALERT, "_id": "a2"}])).repeat(poster)
    courier(FakeOutbox(), webhook).repeat(poster)
    [(body, _)] = poster.posted
    assert body.count(b'"alert_id"') == 2
