"""How much a consumer fetches ahead: the one place that trades throughput against memory and delay."""

from dataclasses import dataclass, replace

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Prefetch:
    """Bounds of the client's own queue, which is memory outside Python's heap."""

    queued_messages: int
    """Fetching goes on below this many queued messages; librdkafka's 100,000 starves a batch consumer."""
    queued_bytes: int
    """Fetching stops above this many queued bytes, over all partitions."""
    fetch_bytes: int
    """Per partition and request; one message larger than this is still delivered."""
    fetch_wait_ms: int
    """How long the broker may wait for `fetch_min_bytes`: it is delay."""
    fetch_min_bytes: int
    """With 1 every message that comes is an answer of its own, which costs CPU here and in the broker."""
    rest_s: float = 0.02
    """Where the broker does not wait: how long a partition rests at its end before it is asked again. It is
    delay; a shorter rest costs CPU in proportion, here and in the broker."""

    def options(self) -> dict[str, str | int]:
        """As librdkafka names them."""
        return {
            "queued.min.messages": self.queued_messages,
            "queued.max.messages.kbytes": self.queued_bytes // 1024,
            "fetch.message.max.bytes": self.fetch_bytes,
            "fetch.wait.max.ms": self.fetch_wait_ms,
            "fetch.min.bytes": self.fetch_min_bytes,
            # The embedded broker answers with all it has; others keep to fetch.max.bytes (50 MB).
            "receive.message.max.bytes": 2_147_483_647,
        }


THROUGHPUT = Prefetch(
    queued_messages=300_000,
    queued_bytes=128 * MIB,
    fetch_bytes=2 * MIB,
    fetch_wait_ms=100,
    fetch_min_bytes=512 * 1024,
    rest_s=0.1,
)
"""Large batches within bounds: held 428 MiB at 511,000 messages/s, where bigger queues passed 1 GiB."""

LATENCY = replace(THROUGHPUT, fetch_wait_ms=20, fetch_min_bytes=128 * 1024, rest_s=0.02)
"""For a sink whose delay people see."""

SCAN = Prefetch(
    queued_messages=50_000, queued_bytes=32 * MIB, fetch_bytes=1 * MIB, fetch_wait_ms=20, fetch_min_bytes=1
)
"""For readers of one partition that start, read to an end and stop."""
