"""How much memory a block leaves behind."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def growth() -> Iterator[Callable[[], int]]:
    """A function that says how many bytes more than at the block's begin are held."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()

        def kept() -> int:
            gc.collect()
            return tracemalloc.get_traced_memory()[0] - before

        yield kept
    finally:
        tracemalloc.stop()
