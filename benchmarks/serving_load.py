"""Clients of the read API that keep their connections open, in a process of their own: how often they are
answered, and how long that takes. `benchmarks/serving.py` starts it.

    ... | python benchmarks/serving_load.py PORT CLIENTS SECONDS      # the paths to ask for, a line each
"""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence


class Caller(asyncio.Protocol):
    """One keep-alive connection that asks again as soon as it has an answer."""

    def __init__(self, ask: Callable[[], bytes], until: float, delays: list[float]) -> None:
        self._ask, self._until, self._delays = ask, until, delays
        self._buffer = b""
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._ask())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, gap, body = self._buffer.partition(b"\r\n\r\n")
        if not gap:
            return
        assert head.startswith(b"HTTP/1.1 200"), head[:200] + body[:200]
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._buffer = b""
        self._delays.append(time.perf_counter() - self._began)
        if time.perf_counter() < self._until:
            self._send()
        elif not self.over.done():
            self._transport.close()
            self.over.set_result(None)


async def call(port: int, paths: Sequence[str], clients: int, seconds: float) -> dict[str, float]:
    rng = random.Random(7)
    delays: list[float] = []

    def ask() -> bytes:
        return f"GET {rng.choice(paths)} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()

    async def connect() -> None:
        loop = asyncio.get_running_loop()
        _, caller = await loop.create_connection(
            lambda: Caller(ask, time.perf_counter() + seconds, delays), "127.0.0.1", port
        )
        await caller.over

    began = time.perf_counter()
    await asyncio.gather(*(connect() for _ in range(clients)))
    return {"per_s": len(delays) / (time.perf_counter() - began), **percentiles(delays)}


def percentiles(seconds: list[float]) -> dict[str, float]:
    found = sorted(seconds)
    return {
        f"p{percent}_ms": found[min(len(found) * percent // 100, len(found) - 1)] * 1000
        for percent in (50, 95, 99)
    }


def called(port: int, paths: Sequence[str], clients: int, seconds: float) -> dict[str, float]:
    """By a process of its own."""
    words = [sys.executable, __file__, str(port), str(clients), str(seconds)]
    out = subprocess.run(words, input="\n".join(paths), stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


if __name__ == "__main__":
    port, clients, seconds = sys.argv[1:]
    paths = sys.stdin.read().splitlines()
    print(json.dumps(asyncio.run(call(int(port), paths, int(clients), float(seconds)))))
