"""What every sink process has in common."""

import io
import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
import structlog

from ingest.process import configure_logs, logger


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Logs as before, afterwards."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_a_line_that_cannot_be_written_ends_nobodys_work() -> None:
    """The disk of the logs is often the one that is full."""
    full = open("/dev/full", "w", buffering=1)  # noqa: SIM115 - it cannot be closed without an error
    try:
        configure_logs(stream=full)
        for _ in range(3):
            logger("history").error("store_full", folder="lake")
    finally:
        with suppress(OSError):
            full.close()


def test_a_line_is_one_event_as_json() -> None:
    """With its sink and its process."""
    written = io.StringIO()
    configure_logs(stream=written)
    logger("history").warning("store_away", error="no answer")
    line = json.loads(written.getvalue())
    assert (line["sink"], line["event"], line["level"], line["error"]) == (
        "history", "store_away", "warning", "no answer",
    )  # fmt: skip
