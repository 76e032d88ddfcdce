"""The thread that writes requests with an idempotency key: those that come within a few milliseconds share
one transaction. Between them, now and then, it settles what was left behind."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Self

from contracts.problem import Kind
from ingest.gateway.groups import Groups
from ingest.gateway.keyed import Keyed, Reply
from ingest.gateway.settings import GatewaySettings
from ingest.process import Log, Ticker

IDLE_SECONDS = 0.5
SETTLE_SECONDS = 30.0
LEAVE_SECONDS = 1.0
"""How long an end waits for what is being settled, where no request waits behind it: the next gateway settles
it, and a server that is away would be waited for as long as its client is patient."""

MOST_REQUESTS = 500
MOST_EVENTS = 5_000
"""Of one transaction, but for a request that alone has more."""

AWAY = "this gateway is stopping; ask again with the same key"


class Grouping:
    """Takes requests from any thread while its context lasts."""

    def __init__(
        self,
        groups: Groups,
        settle: Callable[[], object],
        settings: GatewaySettings,
        log: Log,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._groups, self._settle, self._log, self._monotonic = groups, settle, log, monotonic
        self._group_seconds = settings.group_ms / 1000
        self._requests: queue.SimpleQueue[Keyed | None] = queue.SimpleQueue()
        self._is_closing = threading.Event()
        self._is_settling = False
        self._thread = threading.Thread(target=self._work, name="idempotency-keys", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """What was taken is finished; whoever asks later is told to ask elsewhere."""
        self._is_closing.set()
        is_idle = self._is_settling and self._requests.empty()
        self._requests.put(None)  # nobody waits for the next request any more
        self._thread.join(LEAVE_SECONDS if is_idle else None)
        with suppress(queue.Empty):  # a thread that was not waited for may take the last one
            while True:
                request = self._requests.get_nowait()
                if request is not None:
                    request.fail(Kind.UNAVAILABLE, AWAY)

    def submit(self, request: Keyed) -> "Future[Reply]":
        """Its reply comes in another thread."""
        if self._is_closing.is_set():
            request.fail(Kind.UNAVAILABLE, AWAY)
        else:
            self._requests.put(request)
        return request.reply

    def _work(self) -> None:
        settling = Ticker(SETTLE_SECONDS, self._monotonic)
        while not (self._is_closing.is_set() and self._requests.empty()):
            if settling.due():
                self._settled()
            group = self._gathered()
            if group:
                self._handled(group)

    def _gathered(self) -> list[Keyed]:
        """The next request, and those that follow soon."""
        group: list[Keyed] = []
        events, deadline = 0, self._monotonic() + IDLE_SECONDS
        while len(group) < MOST_REQUESTS and events < MOST_EVENTS:
            try:
                request = self._requests.get(timeout=max(0.0, deadline - self._monotonic()))
            except queue.Empty:
                break
            if request is None:
                break
            if not group:
                deadline = self._monotonic() + self._group_seconds
            group.append(request)
            events += len(request.events)
        return group

    def _handled(self, group: list[Keyed]) -> None:
        """A defect is the requests' failure, and not the thread's end."""
        try:
            self._groups.handle(group)
        except Exception as error:  # noqa: BLE001 - the entry point of a thread
            self._log.error("gateway_keys_failed", requests=len(group), exc_info=error)
            for request in group:
                if not request.reply.done():
                    request.reply.set_exception(error)
            self._groups.writer.drop()

    def _settled(self) -> None:
        """Not begun once the end has: who ends it has looked whether it is under way by then."""
        self._is_settling = True
        try:
            if not self._is_closing.is_set():
                self._settle()
        except Exception as error:  # noqa: BLE001 - as above
            self._log.warning("gateway_settling_failed", reason=str(error))
        finally:
            self._is_settling = False
