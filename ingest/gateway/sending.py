"""Sends events by the plain idempotent producer and waits, without a thread a request, until each one is
acknowledged. What waits at any time is bounded; what was not acknowledged is never said to be written."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from broker.errors import BrokerError, MessageTooLarge
from broker.producer import Headers, Told
from broker.record import Written
from contracts.problem import Kind, Problem
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.settings import GatewaySettings
from ingest.gateway.sources import Event

GRACE_SECONDS = 5.0
"""The client gives a message up by itself; this is for a client that does not."""

SILENT_SECONDS = 3.0
"""Without any acknowledgement for so long, a full queue is the broker's fault and not the client's."""

MOST_TRIES = 2
"""Alone, of an event that was refused: events of other requests may still be in the same batch."""

RETRY_AFTER = {"Retry-After": "1"}

Outcome = Written | BrokerError | None
"""None: nobody was told of it."""


class Producing(Protocol):
    """Queues a message; `told` is called once, in another thread."""

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        *,
        told: Told | None = None,
    ) -> None: ...


class Waiting:
    """The acknowledgements of one request: written to by the polling thread, waited for in the event loop."""

    def __init__(self, count: int, done: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] = self._loop.create_future()
        self._done, self._is_done = done, False
        self.outcomes: list[Outcome] = [None] * count
        self._told: list[int] = []
        self._queued = -1

    def told(self, place: int, outcome: Written | BrokerError) -> None:
        """In the polling thread."""
        self.outcomes[place] = outcome
        self._told.append(place)
        if len(self._told) == self._queued:
            with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                self._loop.call_soon_threadsafe(self._finish)

    def queued(self, count: int) -> None:
        """So many will be told of; some may have been."""
        self._queued = count
        if len(self._told) == count:
            self._finish()

    async def wait(self, seconds: float) -> None:
        """Returns when all were told of, or the time is over."""
        given_up = self._loop.call_later(seconds, self._wake)
        try:
            await self._waiter
        finally:
            given_up.cancel()

    def _finish(self) -> None:
        """Once, however late."""
        if not self._is_done:
            self._is_done = True
            self._done()
            self._wake()

    def _wake(self) -> None:
        if not self._waiter.done():
            self._waiter.set_result(None)


class Sending:
    """The one way of events without an idempotency key. For one event loop."""

    def __init__(
        self,
        producer: Producing,
        settings: GatewaySettings,
        metrics: GatewayMetrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._producer, self._settings, self._metrics = producer, settings, metrics
        self._monotonic = monotonic
        self._events = self._bytes = 0
        self._answered = monotonic()

    async def send(self, events: Sequence[Event]) -> list[Outcome]:
        """One outcome an event, in their order. A Problem where there is no room for them now.

        Kafka refuses a batch for one event in it that is too large: whoever was refused so is tried alone.
        """
        began = self._monotonic()
        outcomes = await self._together(events)
        for place, event in enumerate(events):
            tries = MOST_TRIES
            while tries and isinstance(outcomes[place], MessageTooLarge) and self._has_time(began):
                [outcomes[place]] = await self._together([event])
                tries -= 1
            if tries and isinstance(outcomes[place], MessageTooLarge):
                outcomes[place] = None  # there was no time to find out
        self._metrics.acknowledge_seconds.observe(self._monotonic() - began)
        return outcomes

    def _has_time(self, began: float) -> bool:
        return self._monotonic() - began < self._settings.acknowledge_seconds

    async def _together(self, events: Sequence[Event]) -> list[Outcome]:
        size = sum(len(event.payload) for event in events)
        self.take(len(events), size)
        waiting = Waiting(len(events), partial(self.give_back, len(events), size))
        queued = 0
        for place, event in enumerate(events):
            try:
                self._producer.send(
                    event.topic, event.key, event.payload, event.headers, told=partial(waiting.told, place)
                )
                queued += 1
            except BrokerError as error:
                waiting.outcomes[place] = error
        waiting.queued(queued)
        await waiting.wait(self._settings.acknowledge_seconds + GRACE_SECONDS)
        if any(isinstance(outcome, Written) for outcome in waiting.outcomes):
            self._answered = self._monotonic()
        return waiting.outcomes

    def take(self, events: int, size: int) -> None:
        """Counts events in; a Problem where they would be too many."""
        settings = self._settings
        is_full = self._events + events > settings.in_flight_events
        if is_full or self._bytes + size > settings.in_flight_bytes:
            raise self._full()
        if not self._events:
            self._answered = self._monotonic()
        self._events += events
        self._bytes += size
        self._metrics.in_flight.set(self._events)

    def give_back(self, events: int, size: int) -> None:
        """They are told of."""
        self._events -= events
        self._bytes -= size
        self._metrics.in_flight.set(self._events)

    def _full(self) -> Problem:
        waiting = f"{self._events} events wait for Kafka's acknowledgement; nothing of this request was sent"
        if self._monotonic() - self._answered > SILENT_SECONDS:
            return Problem(Kind.UNAVAILABLE, f"Kafka does not answer: {waiting}", headers=RETRY_AFTER)
        return Problem(Kind.TOO_MANY_REQUESTS, waiting, headers=RETRY_AFTER)
