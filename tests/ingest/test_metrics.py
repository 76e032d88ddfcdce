"""What a sink tells Prometheus."""

from ingest.metrics import SinkMetrics


def test_what_has_not_happened_yet_is_there_as_0() -> None:
    """Of a counter that begins with 1 Prometheus sees no increase."""
    registry = SinkMetrics("state").registry
    for name in ("batches_total", "retries_total", "buffer_drops_total", "paused"):
        assert registry.get_sample_value(f"fleetlake_{name}", {"sink": "state"}) == 0, name
