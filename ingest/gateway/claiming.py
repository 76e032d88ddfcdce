"""Whose a key is: claims those that nobody has, answers those that were answered, and takes over those whose
owner is gone. A claim without an answer says nothing of its events: they are looked for in Kafka first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec

from contracts.problem import Kind
from contracts.registry import Registry
from ingest.gateway.documents import ENCODER, EventProblem, Receipt, answer
from ingest.gateway.keyed import Keyed
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.settings import GatewaySettings
from ingest.gateway.settle import Settling, StillHidden, Torn
from ingest.gateway.sources import Event
from ingest.gateway.writer import Writer
from ingest.process import Log
from ingest.settings import IngestSettings
from ingest.slots import left_slot
from ingest.steps import GatewayStep, Steps
from lake.idempotency import Claims
from lake.idempotency_model import Claim, Given

MOST_SETTLED = 100
"""At one time: requests wait meanwhile."""


@dataclass
class Claiming:
    """For the thread of the writer."""

    slots: str
    """The group that the gateways' slots are of."""

    ingest: IngestSettings
    settings: GatewaySettings
    registry: Registry
    claims: Claims
    writer: Writer
    settling: Settling
    metrics: GatewayMetrics
    log: Log
    clock: Callable[[], float]
    done: Steps

    def claimed(self, group: Sequence[Keyed]) -> list[Keyed]:
        """Those that are this process's to write now; others have their reply.

        What settles an earlier claim may renew the producer, so it comes before anything is claimed.
        """
        known = self.claims.find(request.id for request in group)
        free = [each for each in group if each.id not in known or self._is_free(each, known[each.id])]
        if not free:
            return []
        ends = self.writer.ends({event.topic for each in free for event in each.events})
        for each in free:
            each.claim = self._claim_for(each, ends)
        fresh = [each for each in free if each.id not in known]
        taken = self.claims.take([each.held for each in fresh]) if fresh else set()
        for each in free:
            if each.id in known and self.claims.retake(known[each.id], each.held):
                taken.add(each.id)
                self.done(GatewayStep.RETAKEN)
            elif each.id not in taken:
                each.at_work()
        self.done(GatewayStep.CLAIMED)
        return [each for each in free if each.id in taken]

    def renewed(self, request: Keyed) -> bool:
        """Claims it once more for the producer as it is now; False where somebody else has it."""
        former = request.held
        request.claim = replace(former, attempt=uuid4().hex, owner=self.writer.owner)
        return self.claims.retake(former, request.claim)

    def settle_all(self) -> None:
        """Settles what was left behind by this process or others that are gone, and forgets what is old."""
        for claim in self.claims.unanswered(MOST_SETTLED):
            try:
                with self._is_gone(claim) as is_gone:
                    if is_gone and self._settled(claim, ()) is None:
                        self.claims.release([claim])
            except (StillHidden, Torn) as error:
                self.log.warning("gateway_claim_unsettled", claim=claim.id, reason=str(error))
        self.claims.forget(self._now() - timedelta(hours=self.settings.key_hours))

    def _is_free(self, request: Keyed, claim: Claim) -> bool:
        """Whether the earlier claim of the key has ended without a trace; replies where it has not."""
        if claim.digest != request.digest:
            detail = "this idempotency key came before with another request: use a new one"
            request.fail(Kind.KEY_REUSED, detail, is_over=True)
            return False
        given = claim.given
        if given is None:
            with self._is_gone(claim) as is_gone:
                if not is_gone:
                    request.at_work()
                    return False
                try:
                    given = self._settled(claim, request.events)
                except (StillHidden, Torn) as error:
                    self.log.warning("gateway_claim_unsettled", claim=claim.id, reason=str(error))
                    request.fail(Kind.UNAVAILABLE, "whether it was written before cannot be told now")
                    return False
        if given is not None:
            self.metrics.replayed()
            request.give(given, is_replay=True)
        return given is None

    @contextmanager
    def _is_gone(self, claim: Claim) -> Iterator[bool]:
        """Whether nobody works on it: this thread's own, those of processes that ended, and old ones."""
        owner, mine = claim.owner, self.writer.owner
        is_mine = owner.transactional_id == mine.transactional_id
        if is_mine or (owner.leases, owner.slot) == (mine.leases, mine.slot):
            yield True
            return
        is_old = self._now() - claim.time > timedelta(seconds=self.settings.takeover_seconds)
        if owner.leases != mine.leases:
            yield is_old
            return
        with left_slot(self.ingest, self.slots, owner.slot) as is_left:
            yield is_left or is_old

    def _settled(self, claim: Claim, events: Sequence[Event]) -> Given | None:
        """The answer of a claim that was left behind; None where none of its events was written."""
        found = self.settling.find(claim)
        self.metrics.took_over(is_written=bool(found))
        if not found:
            return None
        refused = {event.index: event.refused for event in events}
        receipts = [
            Receipt(index, self._source(topic), topic, *written, refused=refused.get(index, ()))
            for index, (topic, written) in sorted(found.items())
        ]
        document = answer(receipts, msgspec.json.decode(claim.problems, type=list[EventProblem]))
        given = Given(document.status, document.body())
        self.claims.answer([(claim, given)])
        return given

    def _source(self, topic: str) -> str:
        contract = self.registry.for_topic(topic)
        return contract.name if contract else ""

    def _claim_for(self, request: Keyed, ends: Mapping[tuple[str, int], int]) -> Claim:
        topics = {event.topic for event in request.events}
        return Claim(
            id=request.id,
            digest=request.digest,
            attempt=uuid4().hex,
            owner=self.writer.owner,
            time=self._now(),
            events=len(request.events),
            problems=ENCODER.encode(request.problems),
            ends={place: end for place, end in ends.items() if place[0] in topics},
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)
