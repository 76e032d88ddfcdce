"""One simulation from request to report: what `fleetlake simulate` does, for everyone who wants to do it
in-process."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from heapq import merge
from operator import itemgetter
from typing import Any

from contracts.registry import Registry
from simulate.outlets import Outlet
from simulate.pacing import Clock, Pacer
from simulate.parcel import Parcel
from simulate.plan import US, Plan, Request, plan
from simulate.send import Progress, send_all
from simulate.tally import totals
from simulate.traffic import Traffic


class Simulation:
    """Made from a request; `run` sends everything, `report` says what arrived, also after a failure."""

    def __init__(self, request: Request, registry: Registry) -> None:
        """Raises BadRequest or UnknownSource for what cannot be met."""
        self._request = request
        self._plan: Plan = plan(request, registry)
        self._traffic = [Traffic(source, registry.catalog) for source in self._plan.sources]
        self._seconds = 0.0
        self._stopped = False

    @property
    def topics(self) -> list[str]:
        """The topics that will be written."""
        return [traffic.tally.topic for traffic in self._traffic]

    def parcels(self) -> Iterable[Parcel]:
        """All messages in the order in which they are due; once."""
        if len(self._traffic) == 1:
            return self._traffic[0]
        return merge(*self._traffic, key=itemgetter(0))

    def run(self, outlet: Outlet, clock: Clock, progress: Callable[[Progress], None]) -> None:
        """Sends until the end or until a stop is requested."""
        pacer = Pacer(clock, self._plan.pace)
        begin = clock.monotonic()
        try:
            send_all(self.parcels(), outlet, pacer, progress)
        finally:
            self._seconds = clock.monotonic() - begin
            self._stopped = clock.stopped()

    @property
    def sent(self) -> int:
        """Messages that were handed over and are accounted for."""
        return self.failed + sum(traffic.tally.acknowledged for traffic in self._traffic)

    @property
    def failed(self) -> int:
        """Messages that were handed over and not acknowledged."""
        return sum(traffic.tally.failed for traffic in self._traffic)

    def report(self) -> dict[str, Any]:
        """What was acknowledged, by source and in total, and what the request was."""
        sources = {traffic.tally.source: traffic.tally.as_json() for traffic in self._traffic}
        sums = totals(sources.values())
        acknowledged = int(sums["acknowledged"])
        return {
            "seed": self._request.seed,
            "start": datetime.fromtimestamp(self._plan.start_us / US, UTC).isoformat(),
            "seconds": round(self._seconds, 3),
            "messages_per_second": round(acknowledged / self._seconds, 1) if self._seconds else 0.0,
            "stopped": self._stopped,
            "reached_present": any(traffic.reached_present for traffic in self._traffic),
            "total": sums,
            "sources": sources,
        }
