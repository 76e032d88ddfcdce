"""Load that goes on for as long as something else is done."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.rig.site import Load, Site

ENDLESS = 1_500_000
"""More than a case sends; few enough that two loads stay behind the clock, a millisecond a message."""


@contextmanager
def background(site: Site, rate: float, seconds: float) -> Iterator[Load]:
    """A producer beside the block, for so many seconds at least; all is acknowledged afterwards."""
    load, began = site.load(ENDLESS, rate), time.monotonic()
    yield load
    assert load.is_running, "the producer ended before what it was a background for"
    time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    load.stop()
