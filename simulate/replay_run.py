"""One replay of one or several files from request to report: what `fleetlake replay` does."""

from collections.abc import Callable, Iterable, Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any, Final

from contracts.decode import Decoder
from contracts.registry import Registry
from simulate.errors import UnknownSource
from simulate.outlets import Outlet
from simulate.pacing import Clock, Pacer
from simulate.parcel import Parcel
from simulate.recordings import Recording
from simulate.replay import Replay
from simulate.send import Progress, send_all

SUMS: Final = ("sent", "acknowledged", "failed", "bytes", "valid", "left_out", "other_topics")


class ReplayRun:
    """All files, each on its own time line from the beginning. `run` sends them, `report` says what arrived,
    also after a failure."""

    def __init__(
        self,
        recordings: Sequence[Recording],
        source: str,
        registry: Registry,
        *,
        speed: float | None,
        vehicle: str | None = None,
        limit: int | None = None,
        longest_gap_s: float = 5.0,
    ) -> None:
        """`speed` None: as fast as it goes. `longest_gap_s` on the clock, whatever the speed."""
        contract = registry.contracts.get(source)
        if contract is None:
            raise UnknownSource(source, registry.contracts)
        self._source, self._limit = source, limit
        self._pace = 0.0 if speed is None else 1.0 / speed
        self.topics = [contract.topics[0]]
        decoder = Decoder(contract, registry.catalog)
        self._replays = [
            Replay(one, decoder, vehicle=vehicle, longest_gap_s=longest_gap_s * (speed or 1.0))
            for one in recordings
        ]
        self._seconds = 0.0
        self._stopped = False

    def parcels(self) -> Iterable[Parcel]:
        """All messages in the order in which they are due; once."""
        return islice(merge(*self._replays, key=itemgetter(0)), self._limit)

    def check(self) -> None:
        """Raises NothingValid for a file whose messages are none of the source; before `run`, if at all."""
        for replay in self._replays:
            replay.check()

    def run(self, outlet: Outlet, clock: Clock, progress: Callable[[Progress], None]) -> None:
        """Sends until the end or until a stop is requested."""
        begin = clock.monotonic()
        try:
            send_all(self.parcels(), outlet, Pacer(clock, self._pace), progress)
        finally:
            self._seconds = clock.monotonic() - begin
            self._stopped = clock.stopped()

    @property
    def sent(self) -> int:
        """Messages that were handed over and are accounted for."""
        return sum(replay.sent for replay in self._replays)

    @property
    def failed(self) -> int:
        """Messages that were handed over and not acknowledged."""
        return sum(replay.failed for replay in self._replays)

    def report(self) -> dict[str, Any]:
        """What was acknowledged, by file and in total."""
        files = [replay.report() for replay in self._replays]
        sums: dict[str, Any] = {name: sum(one[name] for one in files) for name in SUMS}
        for name in ("invalid_by_reason", "keys"):
            counts: dict[str, int] = {}
            for one in files:
                for key, count in one[name].items():
                    counts[key] = counts.get(key, 0) + count
            sums[name] = counts
        seconds = {"seconds": round(self._seconds, 3), "stopped": self._stopped}
        return {"source": self._source, "topic": self.topics[0], **seconds, **sums, "files": files}
