"""Requests with an idempotency key, several at a time: each one's events are written once, whatever is killed
when. The order that carries the promise (docs/adr/0011):

 1. The key is claimed, on disk, with the ends of the partitions its events go to: nobody else writes them.
 2. All events of all requests of the group are one Kafka transaction, each with its key in a header.
 3. The answers are kept with the claims, on disk. Only then they are given.

A producer whose transaction has ended in an unknown way is never used again: its claims are settled like
those of a process that was killed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from broker.errors import Abortable, BrokerError, MessageTooLarge
from contracts.problem import Kind
from ingest.gateway.claiming import Claiming
from ingest.gateway.keyed import Keyed
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.settle import marked
from ingest.gateway.writer import Writer
from ingest.process import Log
from ingest.steps import GatewayStep, Steps
from lake.errors import LakeError
from lake.idempotency import Claims


@dataclass
class Groups:
    """Writes groups of requests. For one thread, which alone uses the producer."""

    claiming: Claiming
    claims: Claims
    writer: Writer
    metrics: GatewayMetrics
    log: Log
    done: Steps

    def handle(self, group: Sequence[Keyed]) -> None:
        """Every request of the group has its reply afterwards."""
        first: dict[str, Keyed] = {}
        for request in group:
            if first.setdefault(request.id, request) is not request:
                request.at_work()
        try:
            self._write(self.claiming.claimed(list(first.values())))  # 1
        except (BrokerError, LakeError) as error:
            self._gave_up(group, error)

    def _write(self, group: Sequence[Keyed]) -> None:
        if not group:
            return
        try:
            self._transaction(group)  # 2
        except Abortable as error:
            self._aborted(group, error)
            return
        self.metrics.transaction("committed")
        answers = [(request, request.answer()) for request in group]
        self.claims.answer([(request.held, given) for request, given in answers])  # 3
        self.done(GatewayStep.ANSWERED)
        for request, given in answers:
            request.give(given)

    def _transaction(self, group: Sequence[Keyed]) -> None:
        producer = self.writer.ready()
        producer.begin()
        self.done(GatewayStep.BEGUN)
        for request in group:
            for event in request.events:
                headers = (*event.headers, marked(request.id, event.index))
                written = partial(request.places.__setitem__, event.index)
                producer.send(event.topic, event.key, event.payload, headers, written=written)
        self.done(GatewayStep.SENT)
        producer.commit(self.writer.give_up_seconds)
        self.done(GatewayStep.COMMITTED)

    def _aborted(self, group: Sequence[Keyed], error: Abortable) -> None:
        """Nothing was written. Of several requests each is tried alone: not all of them need be to blame."""
        failure = self.writer.ready().first_failure
        self.metrics.transaction("aborted")
        self.writer.abort()
        if len(group) > 1:
            for request in group:
                self._try_alone(request)
            return
        [request] = group
        self.claims.release([request.held])
        if isinstance(failure, MessageTooLarge):
            detail = f"an event is larger than {failure.topic} takes"
            request.fail(Kind.TOO_LARGE, detail, is_over=True)
            return
        self.log.error("gateway_transaction_aborted", reason=str(failure or error))
        request.fail(Kind.UNAVAILABLE, "Kafka did not take the events; nothing was written")

    def _try_alone(self, request: Keyed) -> None:
        request.places.clear()
        try:
            if self.claiming.renewed(request):
                self._write([request])
            else:
                request.at_work()
        except (BrokerError, LakeError) as error:
            self._gave_up([request], error)

    def _gave_up(self, group: Sequence[Keyed], error: BrokerError | LakeError) -> None:
        """What became of the claims will be settled; the producer may be in the midst of something."""
        self.log.error("gateway_keys_unsettled", reason=str(error), requests=len(group))
        self.metrics.transaction("unknown")
        self.writer.drop()
        who = "Kafka" if isinstance(error, BrokerError) else "MongoDB"
        for request in group:
            request.fail(
                Kind.UNAVAILABLE, f"{who} does not answer; ask again with the same key: it is written once"
            )
