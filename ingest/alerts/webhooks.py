"""Tells webhooks what the outbox holds for them, each in a thread of its own, so that a deaf one delays no
other. Every delivery is tried until it is answered, is refused, or patience is over; then it waits for a
person. At least once: after a kill it may come again, under the same idempotency key."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Final, Protocol
from uuid import uuid4

from pydantic import SecretStr

from ingest.alerts.metrics import AlertMetrics
from ingest.alerts.payload import IDEMPOTENCY_KEY, SIGNATURE, Alert, document, for_alertmanager, signature
from ingest.alerts.post import Answer, Poster
from ingest.alerts.rules import Webhook
from ingest.alerts.settings import AlertSettings
from ingest.process import Log, Ticker
from ingest.steps import AlertStep, Steps
from lake.alert_outbox import Delivery
from lake.errors import Transient

LOOK_SECONDS: Final = 0.5
"""How often the outbox is asked while there is nothing to send."""

LEASE_MARGIN_SECONDS: Final = 5.0
"""Beyond the timeout of a try, for MongoDB."""

AWAY_SECONDS: Final = 2.0
REPEAT_SECONDS: Final = 60.0
"""How often Alertmanager hears of what is still open: it forgets everything when it is started anew."""

REPEATED_AT_ONCE: Final = 500
CLOSE_SECONDS: Final = 2.0
ALERTMANAGER_PATH: Final = "/api/v2/alerts"


class Outbox(Protocol):
    """What is needed of the outbox."""

    def claim(self, webhook: str, now_us: int, lease_us: int, owner: str) -> Delivery | None: ...
    def delivered(self, delivery: Delivery, now_us: int) -> None: ...
    def postpone(self, delivery: Delivery, owner: str, due_us: int, reason: str) -> None: ...
    def give_up(self, delivery: Delivery, owner: str, now_us: int, reason: str) -> None: ...


class OpenAlerts(Protocol):
    """Tells what is open."""

    def open_of_webhook(self, webhook: str, most: int) -> Sequence[Alert]: ...


@dataclass
class Courier:
    """Of one webhook; `run` is its thread."""

    name: str
    webhook: Webhook
    secret: SecretStr | None
    outbox: Outbox
    alerts: OpenAlerts
    settings: AlertSettings
    metrics: AlertMetrics
    log: Log
    now_us: Callable[[], int]
    stop: threading.Event
    random: Random
    done: Steps = lambda step: None

    def __post_init__(self) -> None:
        self.owner = uuid4().hex
        self._repeat_due = Ticker(REPEAT_SECONDS)

    def run(self) -> None:
        """Until `stop`. A store that is away is waited for; one that refuses is told of, again and again."""
        with Poster(self._url, self.settings.webhook_timeout_seconds) as poster:
            while not self.stop.is_set():
                try:
                    if not self.send_next(poster):
                        self.stop.wait(LOOK_SECONDS)
                    if self._is_alertmanager and self._repeat_due.due():
                        self.repeat(poster)
                except Transient as error:
                    self.log.warning("store_away", reason=str(error), tried_again_in_seconds=AWAY_SECONDS)
                    self.stop.wait(AWAY_SECONDS)
                except Exception as error:  # noqa: BLE001 - the entry of a thread: it goes on
                    self.log.error("webhook_stuck", webhook=self.name, reason=str(error))
                    self.stop.wait(AWAY_SECONDS)

    def send_next(self, poster: Poster) -> bool:
        """One try of what is due; False where nothing is."""
        lease_s = self.settings.webhook_timeout_seconds + LEASE_MARGIN_SECONDS
        delivery = self.outbox.claim(self.name, self.now_us(), _us(lease_s), self.owner)
        if delivery is None:
            return False
        body, headers = self._request(delivery)
        answer = poster.post(body, headers, self._now)
        self.done(AlertStep.SENT)
        self._record(delivery, answer)
        self.done(AlertStep.DELIVERED)
        return True

    def repeat(self, poster: Poster) -> None:
        """Tells Alertmanager what is open. Nothing is recorded: the next time comes soon."""
        open_alerts = self.alerts.open_of_webhook(self.name, REPEATED_AT_ONCE)
        if open_alerts:
            told = [({**alert, "alert_id": alert["_id"]}, None) for alert in open_alerts]
            answer = poster.post(for_alertmanager(told, self.now_us()), {}, self._now)
            if answer.kind != "delivered":
                self.log.warning("webhook_failed", webhook=self.name, reason=answer.reason)

    def _request(self, delivery: Delivery) -> tuple[bytes, dict[str, str]]:
        if self._is_alertmanager:
            ended_us = delivery.alert["at_us"] if delivery.event == "resolved" else None
            body = for_alertmanager([(delivery.alert, ended_us)], self.now_us())
        else:
            body = document(delivery.id, delivery.event, delivery.alert)
        headers = {IDEMPOTENCY_KEY: delivery.id}
        if self.secret is not None:
            headers[SIGNATURE] = signature(self.secret.get_secret_value(), body, self.now_us() // 1_000_000)
        return body, headers

    def _record(self, delivery: Delivery, answer: Answer) -> None:
        now_us = self.now_us()
        facts = {"webhook": self.name, "delivery": delivery.id, "tries": delivery.tries}
        if answer.kind == "delivered":
            self.outbox.delivered(delivery, now_us)
            self.metrics.delivered(self.name, "delivered")
            self.log.info("webhook_told", **facts)
        elif answer.kind == "refused" or self._is_over(delivery, now_us):
            self.outbox.give_up(delivery, self.owner, now_us, answer.reason)
            self.metrics.delivered(self.name, "given_up")
            self.log.error("webhook_given_up", reason=answer.reason, **facts)
        else:
            pause_s = self._pause(delivery.tries, answer.after_s)
            self.outbox.postpone(delivery, self.owner, now_us + _us(pause_s), answer.reason)
            self.metrics.delivered(self.name, "failed")
            self.log.warning(
                "webhook_failed", reason=answer.reason, again_in_seconds=round(pause_s, 1), **facts
            )

    def _is_over(self, delivery: Delivery, now_us: int) -> bool:
        age_us = now_us - delivery.created_us
        return delivery.tries >= self.settings.webhook_tries or age_us >= _us(
            self.settings.webhook_hours * 3600
        )

    def _pause(self, tries: int, asked_s: float | None) -> float:
        """Twice as long each time, and never the same for two: those that failed together come back apart."""
        longest = self.settings.webhook_longest_pause_seconds
        pause = min(longest, self.settings.webhook_pause_seconds * 2.0 ** min(tries - 1, 32))
        return max(pause * self.random.uniform(0.5, 1.0), asked_s or 0.0)

    @property
    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.now_us() / 1_000_000, UTC)

    @property
    def _is_alertmanager(self) -> bool:
        return self.webhook.format == "alertmanager"

    @property
    def _url(self) -> str:
        url = self.webhook.url
        if not self._is_alertmanager or url.endswith(ALERTMANAGER_PATH):
            return url
        return url.rstrip("/") + ALERTMANAGER_PATH


@dataclass
class Couriers:
    """The threads of all webhooks of a process."""

    couriers: Sequence[Courier]
    stop: threading.Event

    def __enter__(self) -> "Couriers":
        self._threads = [
            threading.Thread(target=courier.run, name=f"webhook-{courier.name}", daemon=True)
            for courier in self.couriers
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """What is under way may end; what does not is sent again once its lease is over."""
        self.stop.set()
        for thread in self._threads:
            thread.join(CLOSE_SECONDS)


def _us(seconds: float) -> int:
    return int(seconds * 1_000_000)
