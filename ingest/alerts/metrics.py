"""What the alerts process tells Prometheus, beside what every sink does."""

from ingest.metrics import SinkMetrics

SINK = "alerts"


class AlertMetrics(SinkMetrics):
    """Of one process."""

    def __init__(self) -> None:
        super().__init__(SINK)
        self._changes = self._counter(
            "alert_changes", "Alerts that were opened or are over.", ["sink", "rule", "event"]
        )
        self._deliveries = self._counter(
            "alert_deliveries", "Tries to tell a webhook.", ["sink", "webhook", "outcome"]
        )
        self._behind = self._gauge(
            "alert_behind_seconds", "How far behind now rules are that look at silence.", ["sink"]
        )
        self._given_up = self._gauge("alert_given_up", "Deliveries that wait for a person.", ["sink"])

    def changed(self, rule: str, event: str) -> None:
        """Counts an alert that was opened or is over."""
        self._changes.labels(self.sink, rule, event).inc()

    def delivered(self, webhook: str, outcome: str) -> None:
        """Counts a try: delivered, failed (it is tried again) or given_up."""
        self._deliveries.labels(self.sink, webhook, outcome).inc()

    def behind(self, seconds: float) -> None:
        """Sets how old the time is up to which all sources were read; infinite while one never was."""
        self._behind.labels(self.sink).set(seconds)

    def given_up(self, count: int) -> None:
        """Sets how many deliveries wait for a person."""
        self._given_up.labels(self.sink).set(count)
