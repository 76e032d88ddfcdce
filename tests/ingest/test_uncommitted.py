"""When a commit is due."""

import pytest

from broker.record import Headers, Records
from contracts.load import load_registry
from ingest.decoding import RunDecoder
from ingest.metrics import SinkMetrics
from ingest.settings import IngestSettings
from ingest.uncommitted import Uncommitted


@pytest.mark.parametrize(
    ("key", "headers", "value"),
    [(b"k" * 1000, None, None), (None, [("h", b"v" * 1000)], None), (None, None, b"p" * 1000)],
    ids=["keys", "headers", "payloads"],
)
def test_a_commit_is_due_by_bytes_of_any_kind(
    key: bytes | None, headers: Headers | None, value: bytes | None
) -> None:
    """Rows wait in memory for their row group or their commit, whatever they are made of."""
    settings = IngestSettings(commit_bytes=2500)
    uncommitted = Uncommitted(lambda: 0.0)
    run = RunDecoder(load_registry(), SinkMetrics("test")).decode(
        Records("telemetry_raw", 0, [0], [-1], [key], [headers], [value], 1)
    )

    due = []
    for _ in range(3):
        uncommitted.add(run)
        due.append(uncommitted.is_due(settings))

    assert due == [False, False, True]
