"""Several things done side by side, each in a thread; what goes wrong in one is raised by who waits."""

import threading
from collections.abc import Callable, Iterable


def side_by_side(works: Iterable[Callable[[], object]]) -> None:
    """Returns when all are done; the first trouble is raised then."""
    troubles: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as trouble:  # noqa: BLE001 - raised by who waits
            troubles.append(trouble)

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]
