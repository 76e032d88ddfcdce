"""What an HTTP interface tells Prometheus. Labels have few values whatever clients send: a route is its
template, an unknown path is `other`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"


class HttpMetrics:
    """Counters of one interface, `gateway` or `api`."""

    def __init__(self, interface: str, registry: CollectorRegistry) -> None:
        self._interface = interface
        self._requests = Counter(
            "fleetlake_http_requests", "Requests answered.", ["interface", "method", "route", "status"],
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "fleetlake_http_request_seconds", "From a request's headers to the end of its answer.",
            ["interface", "route"], buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self._in_flight = Gauge(
            "fleetlake_http_in_flight", "Requests at work.", ["interface"], registry=registry
        ).labels(interface)
        self._refused = Counter(
            "fleetlake_http_refused", "Requests and connections refused before any route saw them.",
            ["interface", "reason"], registry=registry,
        )  # fmt: skip

        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def begun(self) -> None:
        """Counts a request as at work, until it is answered."""
        self._in_flight.inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request that is not at work any more."""
        self._in_flight.dec()
        known = method if method in METHODS else OTHER
        series = self._series.get((known, route, status))
        if series is None:
            series = self._series[known, route, status] = (
                self._requests.labels(self._interface, known, route, str(status)),
                self._seconds.labels(self._interface, route),
            )
        series[0].inc()
        series[1].observe(seconds)

    def refused(self, reason: str) -> None:
        """Counts what the shell turned away; reasons are ours."""
        self._refused.labels(self._interface, reason).inc()
