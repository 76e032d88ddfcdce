"""What is a process elsewhere, in a thread: told to stop at the end of the block, and waited for."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ingest.process import Stop

STOP_SECONDS = 30.0


@contextmanager
def in_thread(run: Callable[[Stop], object], name: str) -> Iterator[tuple[Stop, list[BaseException]]]:
    """How to stop it earlier, and what has ended it."""
    stop, failures = Stop(), list[BaseException]()

    def work() -> None:
        try:
            run(stop)
        except BaseException as failure:  # noqa: BLE001 - looked at by the test
            failures.append(failure)

    thread = threading.Thread(target=work, name=name)
    thread.start()
    try:
        yield stop, failures
    finally:
        stop.request()
        thread.join(STOP_SECONDS)
    assert not thread.is_alive()


@contextmanager
def in_healthy_thread(run: Callable[[Stop], object], name: str) -> Iterator[Stop]:
    """How to stop it earlier; its error is raised at the end of the block."""
    with in_thread(run, name) as (stop, failures):
        yield stop
    if failures:
        raise failures[0]
