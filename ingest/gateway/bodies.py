"""From the body of a request to its valid events. Small bodies are read at once, in the event loop; a large
one costs so much that nobody else may wait for it: those are read in a thread, one after the other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Final, NamedTuple, Self

from contracts.access import Principal, Vehicles
from contracts.problem import Kind, Problem
from ingest.gateway.body import events_of
from ingest.gateway.sending import RETRY_AFTER
from ingest.gateway.settings import GatewaySettings
from ingest.gateway.validate import Validated, Validator

AT_ONCE_BYTES: Final = 32 * 1024
"""What the event loop reads itself. The slowest way through the contracts takes about 0.4 s a MiB."""


class Asked(NamedTuple):
    """A request as it was understood: its body is unpacked."""

    principal: Principal
    body: bytes
    source: str | None = None
    vehicle: str | None = None
    key: str | None = None


class Bodies:
    """Reads those of all requests. For one event loop; what it holds ends with the block."""

    def __init__(self, settings: GatewaySettings, validator: Callable[[], Validator]) -> None:
        """`validator` makes one: each is for one thread."""
        self._settings = settings
        self._at_once, self._aside = validator(), validator()
        self._thread = ThreadPoolExecutor(1, "large-bodies")
        self._waiting = 0

    @property
    def sources(self) -> list[str]:
        """Names of all."""
        return self._at_once.names

    async def read(self, asked: Asked, vehicles: Vehicles) -> tuple[Validated, bool]:
        """What is valid in it and what is not, in the order of the request, and whether it is one event and
        no array. A Problem where it holds no events, or where too many large bodies wait."""
        size = len(asked.body)
        if size <= AT_ONCE_BYTES:
            return self._read(self._at_once, asked, vehicles)
        limit = self._settings.in_flight_bytes
        if self._waiting + size > limit:
            detail = (
                f"{self._waiting} bytes of other requests are still to be read; nothing of this one was sent"
            )
            raise Problem(Kind.TOO_MANY_REQUESTS, detail, headers=RETRY_AFTER)
        self._waiting += size
        try:
            work = partial(self._read, self._aside, asked, vehicles)
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= size

    def _read(self, validator: Validator, asked: Asked, vehicles: Vehicles) -> tuple[Validated, bool]:
        payloads, is_single = events_of(asked.body, self._settings)
        found = validator.validate(payloads, asked.source, asked.vehicle)
        return validator.restrict(found, asked.principal, vehicles), is_single

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)
