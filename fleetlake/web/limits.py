"""How much one client may ask, and all together. Memory is bounded too: the clients that were not heard of for
longest are forgotten, which gives them a full bucket and nobody else anything."""

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from contracts.problem import Kind, Problem

MOST_CLIENTS = 10_000
BUSY_RETRY_SECONDS = "1"


class Buckets:
    """A token bucket for each client: `burst` requests at once, then `per_second`."""

    def __init__(
        self,
        per_second: float,
        burst: int,
        *,
        most_clients: int = MOST_CLIENTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second, self._burst = per_second, burst
        self._most_clients, self._clock = most_clients, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Tokens that are left, and when that was so."""

    def take(self, client: str) -> float:
        """Takes a token; returns the seconds to wait where there is none, else 0."""
        if self._per_second == 0:
            return 0.0
        now = self._clock()
        left, then = self._buckets.pop(client, (float(self._burst), now))
        left = min(self._burst, left + (now - then) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._buckets[client] = (left if wait else left - 1, now)
        if len(self._buckets) > self._most_clients:
            self._buckets.popitem(last=False)
        return wait

    def __len__(self) -> int:
        return len(self._buckets)


class Concurrency:
    """Requests at work: of all clients, and of one."""

    def __init__(self, most: int, most_per_client: int) -> None:
        self._most, self._most_per_client = most, most_per_client
        self._by_client: Counter[str] = Counter()
        self._total = 0

    @contextmanager
    def one_more(self, client: str) -> Iterator[None]:
        """Counts a request while the block runs; a Problem where there are too many."""
        if self._total >= self._most:
            raise Problem(
                Kind.UNAVAILABLE, "too many requests at once", headers={"retry-after": BUSY_RETRY_SECONDS}
            )
        if self._by_client[client] >= self._most_per_client:
            raise too_many("too many of your requests at once", 1.0)
        self._total += 1
        self._by_client[client] += 1
        try:
            yield
        finally:
            self._total -= 1
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]


def too_many(detail: str, wait_seconds: float) -> Problem:
    """The answer to a client that asks too often; in whole seconds, as the header has them."""
    wait = str(max(1, math.ceil(wait_seconds)))
    return Problem(Kind.TOO_MANY_REQUESTS, f"{detail}: wait {wait} s", headers={"retry-after": wait})
