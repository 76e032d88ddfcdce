"""Routes in a process or a thread of their own, and under load."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from broker.consumer import CLOSE_TIMEOUT_S
from broker.offsets import group_offsets, log_ends
from ingest.routes_run import run
from ingest.settings import IngestSettings
from ingest.steps import RoutesStep
from tests.deadlines import meanwhile
from tests.ingest.forked import Forked, forked
from tests.ingest.in_thread import in_thread
from tests.ingest.routes_fleet import Fleet

LOAD_PERIOD_SECONDS = 0.05
STOP_SECONDS = IngestSettings().shutdown_seconds + CLOSE_TIMEOUT_S
"""A rebalance in the same moment may keep the client from closing: then it is left after this."""


def process(fleet: Fleet, step: RoutesStep | None = None, count: int = 1) -> AbstractContextManager[Forked]:
    """One of its own; with a step, it is gone by SIGKILL when that is done for the `count`-th time."""
    assert fleet.ingest.runtime_dir is not None
    return forked("routes", fleet.site, fleet.ingest.runtime_dir.parent, step, count)


def under_load(fleet: Fleet, per_second: int = 2000) -> AbstractContextManager[None]:
    """Traffic without a pause while the block runs."""
    share = int(per_second * LOAD_PERIOD_SECONDS)
    return meanwhile(lambda: fleet.send_traffic(share), LOAD_PERIOD_SECONDS)


@contextmanager
def running(fleet: Fleet) -> Iterator[list[BaseException]]:
    """A routes process in a thread, and what ended it."""
    with in_thread(
        lambda stop: run(fleet.kafka, fleet.ingest, fleet.registry, stop=stop), "a-routes-process"
    ) as (_, failures):
        yield failures


def lag(fleet: Fleet) -> int:
    """Messages that the group has not committed."""
    topics = [fleet.topic("car"), fleet.topic("pressure"), fleet.internal_topic]
    done = group_offsets(fleet.kafka, "routes")
    return sum(end - done.get(partition, 0) for partition, end in log_ends(fleet.kafka, topics).items())
