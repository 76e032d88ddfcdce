"""What the gateway tells Prometheus beside what the shell counts of every request."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ingest.metrics import SECONDS


class GatewayMetrics:
    """Counters and gauges of one gateway process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._accepted = self._counter("accepted", "Events that Kafka has acknowledged.", ["source"])
        self._rejected = self._counter("rejected", "Events refused.", ["source", "reason"])
        self._unwritten = self._counter(
            "unwritten", "Valid events that Kafka did not acknowledge.", ["source"]
        )
        self._transactions = self._counter(
            "transactions", "Transactions for requests with a key.", ["outcome"]
        )
        self._replays = self._counter("replays", "Answers given again for an idempotency key.", [])
        self._takeovers = self._counter(
            "takeovers", "Requests with a key whose gateway had ended before it answered.", ["found"]
        )
        self.in_flight = Gauge(
            "fleetlake_gateway_in_flight_events", "Events that wait for Kafka.", registry=self.registry
        )
        self.acknowledge_seconds = Histogram(
            "fleetlake_gateway_acknowledge_seconds",
            "From taking a request's events to the last acknowledgement.",
            buckets=SECONDS,
            registry=self.registry,
        )

    def accepted(self, source: str, events: int) -> None:
        """Counts acknowledged events of one source."""
        self._accepted.labels(source).inc(events)

    def rejected(self, source: str, reason: str, events: int = 1) -> None:
        """Counts refused events; the source is empty where nobody could tell it."""
        self._rejected.labels(source, reason).inc(events)

    def unwritten(self, source: str, events: int = 1) -> None:
        """Counts valid events that were answered 503."""
        self._unwritten.labels(source).inc(events)

    def transaction(self, outcome: str) -> None:
        """Counts a transaction: committed, aborted, or unknown."""
        self._transactions.labels(outcome).inc()

    def replayed(self) -> None:
        """Counts an answer given again."""
        self._replays.inc()

    def took_over(self, *, is_written: bool) -> None:
        """Counts a claim that was settled, and what was found in Kafka: written, or absent."""
        self._takeovers.labels("written" if is_written else "absent").inc()

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(f"fleetlake_gateway_{name}", text, labels, registry=self.registry)
