"""A load generator that costs little: requests written beforehand, and answers read by their length only."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

WARM_SECONDS = 1.0


class Load:
    """Keeps connections busy, each with one request at a time."""

    def __init__(
        self, address: str, bodies: Sequence[bytes], connections: int, *, has_keys: bool = False
    ) -> None:
        parts = urlsplit(address)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._connections, self._run = connections, uuid.uuid4().hex[:8]
        self.warm_seconds = WARM_SECONDS
        self._requests = self._numbered(bodies) if has_keys else itertools.cycle(map(self._request, bodies))

    async def run(self, seconds: float) -> list[float]:
        """The latency of each request that was answered 202 after the first moment. Others are an error."""
        began = time.perf_counter() + self.warm_seconds
        each = [self._ask(began, began + seconds) for _ in range(self._connections)]
        return list(itertools.chain.from_iterable(await asyncio.gather(*each)))

    async def warmed(self) -> None:
        """Returns when a request was answered 202: Kafka makes what transactions need when it is first
        asked to."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        status = b""
        while status != b"202":
            writer.write(next(self._requests))
            status, _ = await _answer(reader)
        writer.close()

    async def _ask(self, begin: float, end: float) -> list[float]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        latencies = []
        while (sent := time.perf_counter()) < end:
            writer.write(next(self._requests))
            status, body = await _answer(reader)
            assert status == b"202", (status, body)
            if sent >= begin:
                latencies.append(time.perf_counter() - sent)
        writer.close()
        return latencies

    def _numbered(self, bodies: Sequence[bytes]) -> Iterator[bytes]:
        for number in itertools.count():
            yield self._request(bodies[number % len(bodies)], f"{self._run}-{number}")

    def _request(self, body: bytes, key: str = "") -> bytes:
        lines = [
            "POST /ingest?source=sensor HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        lines += [f"Idempotency-Key: {key}"] if key else []
        return "\r\n".join([*lines, "", ""]).encode() + body


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Status and body."""
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    [length] = [line for line in lines if line.startswith(b"content-length:")]
    return lines[0].split()[1], await reader.readexactly(int(length.split(b":")[1]))


def percentile(values: Sequence[float], part: float) -> float:
    """Of what was measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
