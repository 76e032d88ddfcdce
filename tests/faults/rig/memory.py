"""How much memory the sink processes have, sampled from the system while something happens."""

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.rig.sinks import SINKS, Sinks

EVERY_SECONDS = 0.5
MIB = 1 << 20


class Memory:
    """Samples resident memory per sink until the block ends."""

    def __init__(self, sinks: Sinks) -> None:
        self._sinks = sinks
        self._samples: list[tuple[float, dict[str, float]]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def peak_mib(self, sink: str) -> int:
        """The most that one process of the sink had."""
        return round(max(sample[sink] for _, sample in self._samples))

    def growth_mib(self, sink: str) -> int:
        """How much the peak of the last third is above that of the second: what a warm-up takes is over."""
        third = len(self._samples) // 3
        second, last = self._samples[third : 2 * third], self._samples[2 * third :]
        return round(max(s[sink] for _, s in last) - max(s[sink] for _, s in second))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            sample = {
                sink: max((resident_mib(member.pid) for member in self._sinks.of(sink)), default=0.0)
                for sink in SINKS
            }
            self._samples.append((time.monotonic(), sample))


def resident_mib(pid: int | None) -> float:
    """Resident memory of a process; 0 for one that is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return 0.0
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / MIB
