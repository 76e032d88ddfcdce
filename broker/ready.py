"""Waiting until Kafka can be used, with a deadline, and saying what is missing when it passes."""

import time
from collections.abc import Callable, Sequence

from broker import errors
from broker.admin import Admin
from broker.settings import KafkaSettings

ATTEMPT_S = 2.0
PAUSE_S = 0.2

Waiting = Callable[[str], None]
"""Told, now and then, what is still waited for."""


def wait_ready(
    settings: KafkaSettings,
    *,
    timeout_s: float | None = None,
    waiting: Waiting | None = None,
    admin: Admin | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Returns when the cluster answers. Raises NotReady after the deadline, Terminal errors at once."""
    admin = admin or Admin(settings, ATTEMPT_S)

    def ask() -> Sequence[str]:
        future = admin.client.describe_cluster(request_timeout=ATTEMPT_S)
        admin.answer(future, "waiting for the broker")
        return ()

    _wait(ask, settings, timeout_s, waiting, monotonic, sleep)


def wait_topics(
    settings: KafkaSettings,
    topics: Sequence[str],
    *,
    timeout_s: float | None = None,
    waiting: Waiting | None = None,
    admin: Admin | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Returns when the topics exist. Raises NotReady, which names the missing, after the deadline."""
    admin = admin or Admin(settings, ATTEMPT_S)
    _wait(lambda: admin.describe(topics)[1], settings, timeout_s, waiting, monotonic, sleep)


def _wait(
    missing_now: Callable[[], Sequence[str]],
    settings: KafkaSettings,
    timeout_s: float | None,
    waiting: Waiting | None,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Asks until nothing is missing and nothing fails, or the time is over."""
    limit = settings.ready_timeout_s if timeout_s is None else timeout_s
    began = monotonic()
    while True:
        missing: Sequence[str] = ()
        detail = ""
        try:
            missing = missing_now()
            if not missing:
                return
        except errors.Transient as error:
            detail = error.detail if isinstance(error, errors.BrokerUnavailable) else str(error)
        waited = monotonic() - began
        if waited >= limit:
            raise errors.NotReady(settings.bootstrap_servers, waited, missing, detail)
        if waiting is not None:
            what = f"topics {', '.join(missing)}" if missing else f"Kafka at {settings.bootstrap_servers}"
            waiting(f"still waiting for {what} ({waited:.0f} of {limit:.0f} s)")
        sleep(PAUSE_S)
