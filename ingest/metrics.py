"""What a sink tells Prometheus. Every name is defined once, here; a process serves its own registry."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
AGES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0, 86400.0)


class SinkMetrics:
    """Counters and gauges of one sink process; `sink` is the label that all of them carry."""

    def __init__(self, sink: str) -> None:
        self.registry = CollectorRegistry()
        self.sink = sink
        labels = ["sink"]
        self._records = self._counter("records", "Messages read.", [*labels, "source"])
        self._bytes = self._counter("bytes", "Payload bytes read.", [*labels, "source"])
        self._rejected = self._counter("rejected", "Messages rejected whole.", [*labels, "source", "reason"])
        self._rejected_signals = self._counter(
            "rejected_signals", "Signals rejected in accepted messages.", [*labels, "source", "reason"]
        )
        self._surprises = self._counter(
            "decode_surprises", "Batches that the fast decoder failed on.", [*labels, "source"]
        )
        self._batches = self._counter("batches", "Batches finished: commits, flushes, transactions.", labels)
        self._retries = self._counter("retries", "Commits, flushes or transactions tried again.", labels)
        self._dropped = self._counter("buffer_drops", "Times a buffer was dropped and read again.", labels)
        self._expired = self._counter(
            "expired", "Messages that Kafka removed before they were read.", [*labels, "topic", "partition"]
        )
        self._state_operations = self._counter("state_operations", "Documents written to MongoDB.", labels)
        self._messages_out = self._counter("messages_out", "Messages sent to Kafka.", [*labels, "kind"])
        self._lag = self._gauge("lag", "Messages not yet read.", [*labels, "topic", "partition"])
        self._buffered = self._gauge("buffered_bytes", "Bytes read and not yet written.", labels)
        self._uncommitted = self._gauge(
            "uncommitted_records", "Messages read whose effect is not committed yet.", labels
        )
        self._paused = self._gauge("paused", "1 while a full buffer keeps its partitions paused.", labels)
        self.commit_seconds = Histogram(
            "fleetlake_commit_seconds", "Time of one commit, flush or transaction.", labels,
            buckets=SECONDS, registry=self.registry,
        ).labels(sink)  # fmt: skip
        self.event_age = Histogram(
            "fleetlake_event_age_seconds", "Age of a batch's newest event when it was committed.", labels,
            buckets=AGES, registry=self.registry,
        ).labels(sink)  # fmt: skip
        for each in (self._batches, self._retries, self._dropped, self._paused):
            each.labels(sink)  # 0, not nothing: of a counter that begins with 1 Prometheus sees no increase

    def read(self, source: str, records: int, payload_bytes: int) -> None:
        """Counts messages of one source and their payload bytes."""
        self._records.labels(self.sink, source).inc(records)
        self._bytes.labels(self.sink, source).inc(payload_bytes)

    def rejected(self, source: str, reason: str, count: int = 1) -> None:
        """Counts messages rejected whole."""
        self._rejected.labels(self.sink, source, reason).inc(count)

    def rejected_signals(self, source: str, reason: str, count: int = 1) -> None:
        """Counts signals rejected in accepted messages."""
        self._rejected_signals.labels(self.sink, source, reason).inc(count)

    def surprised(self, source: str, count: int) -> None:
        """Counts parts of batches that were decoded slowly because the fast way failed on them."""
        self._surprises.labels(self.sink, source).inc(count)

    def batch(self) -> None:
        """Counts one finished batch."""
        self._batches.labels(self.sink).inc()

    def retried(self) -> None:
        """Counts a batch tried again."""
        self._retries.labels(self.sink).inc()

    def dropped(self) -> None:
        """Counts a dropped buffer."""
        self._dropped.labels(self.sink).inc()

    def expired(self, topic: str, partition: int, messages: int) -> None:
        """Counts messages that retention removed unread."""
        self._expired.labels(self.sink, topic, partition).inc(messages)

    def state_operations(self, count: int) -> None:
        """Counts documents written to MongoDB."""
        self._state_operations.labels(self.sink).inc(count)

    def messages_out(self, kind: str, count: int) -> None:
        """Counts messages sent to Kafka by kind: dead_letter, anomaly, reading, maximum, metrics."""
        self._messages_out.labels(self.sink, kind).inc(count)

    def lag(self, topic: str, partition: int, messages: int) -> None:
        """Sets the lag of one partition."""
        self._lag.labels(self.sink, topic, partition).set(messages)

    def forget_lag(self, topic: str, partition: int) -> None:
        """Drops the lag of a partition this process no longer owns."""
        self._lag.remove(self.sink, topic, str(partition))

    def buffered(self, size: int) -> None:
        """Sets the bytes that are read and not yet written: of payloads, or as the sink's bound has it."""
        self._buffered.labels(self.sink).set(size)

    def uncommitted(self, records: int) -> None:
        """Sets the messages that a kill now would make a restart read again."""
        self._uncommitted.labels(self.sink).set(records)

    def paused(self, is_paused: bool) -> None:
        """Says whether a full buffer keeps the partitions paused."""
        self._paused.labels(self.sink).set(int(is_paused))

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(f"fleetlake_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(f"fleetlake_{name}", text, labels, registry=self.registry)
