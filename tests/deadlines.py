"""Waiting for what happens soon, and traffic that goes on meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_SECONDS = 0.05


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Polls until the condition holds; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(POLL_SECONDS)


@contextmanager
def meanwhile(act: Callable[[], object], pause_seconds: float) -> Iterator[None]:
    """Does it again and again in a thread while the block runs; its first error ends it, and is raised."""
    stop, failures = threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            while not stop.wait(pause_seconds):
                act()
        except BaseException as failure:  # noqa: BLE001 - raised in the test's thread
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]
