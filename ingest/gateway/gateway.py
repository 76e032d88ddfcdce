"""One request's way through the gateway: its events, the valid ones of them, Kafka, the answer. No HTTP."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec

from broker.errors import MessageTooLarge
from broker.record import Written
from contracts.access import Vehicles
from contracts.problem import Kind, Problem
from contracts.reasons import Reason
from ingest.gateway.bodies import Asked, Bodies
from ingest.gateway.documents import EventProblem, Receipt, answer, nothing_taken
from ingest.gateway.grouping import Grouping
from ingest.gateway.keyed import Keyed, claim_id, request_digest
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.sending import GRACE_SECONDS, RETRY_AFTER, Outcome, Sending
from ingest.gateway.settings import GatewaySettings
from ingest.gateway.sources import Event
from ingest.gateway.validate import Validated
from lake.idempotency_model import Given


class Gateway:
    """What the routes need. For one event loop."""

    def __init__(
        self,
        settings: GatewaySettings,
        bodies: Bodies,
        sending: Sending,
        grouping: Grouping,
        metrics: GatewayMetrics,
    ) -> None:
        self.settings, self.sources = settings, bodies.sources
        self._bodies, self._sending, self._grouping = bodies, sending, grouping
        self._metrics = metrics

    async def take(self, asked: Asked, vehicles: Vehicles) -> tuple[Given, bool]:
        """The answer, and whether it was given before. A Problem where nothing, or not everything that is
        valid, was taken."""
        valid, is_single = await self._bodies.read(asked, vehicles)
        if not valid.events:
            raise nothing_taken(valid.problems, is_single=is_single)
        if asked.key is not None:
            return await self._once(asked, asked.key, valid)
        return await self._plain(valid, is_single=is_single), False

    async def _plain(self, valid: Validated, *, is_single: bool) -> Given:
        outcomes = await self._sending.send(valid.events)
        receipts, problems, unwritten = _sorted(valid, outcomes)
        self._count(receipts, unwritten)
        if unwritten:
            raise _not_written(receipts, unwritten)
        if not receipts:
            raise nothing_taken(problems, is_single=is_single)
        document = answer(receipts, problems)
        return Given(document.status, document.body())

    async def _once(self, asked: Asked, key: str, valid: Validated) -> tuple[Given, bool]:
        """By the thread for requests with a key, which goes on whether or not it is still waited for."""
        request = Keyed(
            id=claim_id(asked.principal.name, key),
            digest=request_digest(asked.source, asked.vehicle, asked.body),
            events=valid.events,
            problems=valid.problems,
        )
        size = sum(len(event.payload) for event in valid.events)
        self._sending.take(len(valid.events), size)
        reply = asyncio.wrap_future(self._grouping.submit(request))

        def finished(_: object) -> None:
            self._sending.give_back(len(valid.events), size)
            if not reply.cancelled():
                reply.exception()  # whoever waited may be gone

        reply.add_done_callback(finished)
        seconds = self.settings.acknowledge_seconds + GRACE_SECONDS
        done, _ = await asyncio.wait([reply], timeout=seconds)
        if not done:
            detail = (
                "whether it was written is not known yet; ask again with the same key: it is written once"
            )
            raise Problem(Kind.UNAVAILABLE, detail, headers=RETRY_AFTER)
        given, is_replay = reply.result()
        if not is_replay:
            self._count_sources(valid.events)
        return given, is_replay

    def _count(self, receipts: Sequence[Receipt], unwritten: Sequence[Event]) -> None:
        for source, events in Counter(receipt.source for receipt in receipts).items():
            self._metrics.accepted(source, events)
        for source, events in Counter(event.source for event in unwritten).items():
            self._metrics.unwritten(source, events)

    def _count_sources(self, events: Sequence[Event]) -> None:
        for source, count in Counter(event.source for event in events).items():
            self._metrics.accepted(source, count)


def _sorted(
    valid: Validated, outcomes: Sequence[Outcome]
) -> tuple[list[Receipt], list[EventProblem], list[Event]]:
    """What is written, what cannot be, and what nobody can tell of."""
    receipts: list[Receipt] = []
    problems = list(valid.problems)
    unwritten: list[Event] = []
    for event, outcome in zip(valid.events, outcomes, strict=True):
        if isinstance(outcome, Written):
            receipts.append(Receipt(event.index, event.source, event.topic, *outcome, refused=event.refused))
        elif isinstance(outcome, MessageTooLarge):
            detail = f"{len(event.payload)} bytes are more than {event.topic} takes"
            problems.append(EventProblem(event.index, Reason.TOO_LARGE, detail))
        else:
            unwritten.append(event)
    problems.sort(key=lambda problem: problem.index)
    return receipts, problems, unwritten


def _not_written(receipts: Sequence[Receipt], unwritten: Sequence[Event]) -> Problem:
    """Nothing is pretended: an event that was given up may be in Kafka all the same."""
    total = len(receipts) + len(unwritten)
    detail = (
        f"Kafka did not acknowledge {len(unwritten)} of {total} events in time; they may or may not be "
        "written. Send those in `unknown` again, or everything with an Idempotency-Key from the start"
    )
    return Problem(
        Kind.UNAVAILABLE,
        detail,
        headers=RETRY_AFTER,
        receipts=msgspec.to_builtins(receipts),
        unknown=[event.index for event in unwritten],
    )
