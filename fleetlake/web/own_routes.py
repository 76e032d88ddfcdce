"""`/health`, `/ready` and `/metrics`, which every interface has. They answer under load too: what watches a
process must not be turned away with the crowd."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from contracts.problem import Kind, Problem
from ingest.process import Log

READY_PATIENCE_SECONDS = 5.0
READY_FRESH_SECONDS = 1.0
RETRY_SECONDS = "5"

Ready = Callable[[], Awaitable[Mapping[str, str | None]]]
"""Tells of each part what is wrong with it; None where nothing is."""

Document = tuple[bytes, str]
"""A body and its media type."""

JSON = "application/json"


class OwnRoutes:
    """The routes of the shell itself."""

    PATHS = frozenset({"/health", "/ready", "/metrics"})

    def __init__(
        self,
        ready: Ready,
        registry: CollectorRegistry,
        log: Log,
        *,
        clock: Callable[[], float] = time.monotonic,
        patience_seconds: float = READY_PATIENCE_SECONDS,
    ) -> None:
        self._ready, self._registry, self._log, self._clock = ready, registry, log, clock
        self._patience_seconds = patience_seconds
        self._asking = asyncio.Lock()
        self._found: dict[str, str | None] = {}
        self._found_at: float | None = None

    async def document(self, path: str) -> Document:
        """The answer to one of them; a Problem where it is not ready."""
        if path == "/health":
            return _json({"status": "alive"})
        if path == "/metrics":
            return await asyncio.to_thread(generate_latest, self._registry), CONTENT_TYPE_LATEST
        found = await self._parts()
        wrong = sorted(name for name, problem in found.items() if problem is not None)
        if wrong:
            headers = {"retry-after": RETRY_SECONDS}
            raise Problem(Kind.UNAVAILABLE, f"not ready: {', '.join(wrong)}", headers=headers, parts=wrong)
        return _json({"status": "ready", "parts": sorted(found)})

    async def _parts(self) -> Mapping[str, str | None]:
        """Asked at most once a second, however often we are."""
        async with self._asking:
            if self._found_at is None or self._clock() - self._found_at >= READY_FRESH_SECONDS:
                before, self._found = self._found, await self._ask()
                self._found_at = self._clock()
                self._tell(before, self._found)
        return self._found

    async def _ask(self) -> dict[str, str | None]:
        try:
            async with asyncio.timeout(self._patience_seconds):
                return dict(await self._ready())
        except TimeoutError:
            return {"answer": f"no answer within {self._patience_seconds:g} s"}
        except Exception as error:  # noqa: BLE001 - whatever keeps it from telling: it is not ready
            return {"answer": f"{type(error).__name__}: {error}"}

    def _tell(self, before: Mapping[str, str | None], now: Mapping[str, str | None]) -> None:
        """What is wrong is for the log: the answer has only names."""
        wrong = {name: problem for name, problem in now.items() if problem is not None}
        was_wrong = any(problem is not None for problem in before.values())
        if wrong and wrong.keys() != {name for name, problem in before.items() if problem is not None}:
            self._log.warning("not_ready", parts=wrong)
        elif was_wrong and not wrong:
            self._log.info("ready_again")


def _json(value: Mapping[str, object]) -> Document:
    return json.dumps(value).encode(), JSON
