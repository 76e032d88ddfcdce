"""A request with an idempotency key, from its arrival to its reply."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple

from broker.record import Written
from contracts.problem import Kind, Problem
from ingest.gateway.documents import EventProblem, Receipt, answer
from ingest.gateway.sources import Event
from lake.idempotency_model import Claim, Given

RETRY_AFTER: Final = {"Retry-After": "1"}


class Reply(NamedTuple):
    """An answer, and whether it was given before."""

    given: Given
    is_replay: bool


@dataclass(slots=True, eq=False)
class Keyed:
    """One request; whoever made it waits for `reply`."""

    id: str
    digest: bytes
    events: Sequence[Event]
    problems: Sequence[EventProblem]
    reply: "Future[Reply]" = field(default_factory=Future)
    places: dict[int, Written] = field(default_factory=dict)
    claim: Claim | None = None

    @property
    def held(self) -> Claim:
        """The claim of a request that has one."""
        if self.claim is None:
            raise AssertionError(self)
        return self.claim

    def give(self, given: Given, *, is_replay: bool = False) -> None:
        """The reply is this answer."""
        self.reply.set_result(Reply(given, is_replay))

    def fail(self, kind: Kind, detail: str, *, is_over: bool = False) -> None:
        """The reply is a problem; one that is not over for good may be asked about again."""
        if not self.reply.done():
            self.reply.set_exception(Problem(kind, detail, headers={} if is_over else RETRY_AFTER))

    def at_work(self) -> None:
        """Somebody else has its key now."""
        self.fail(Kind.IN_PROGRESS, "a request with this idempotency key is at work")

    def answer(self) -> Given:
        """Of a request all of whose events are written."""
        receipts = [
            Receipt(event.index, event.source, event.topic, *self.places[event.index], refused=event.refused)
            for event in self.events
        ]
        document = answer(receipts, self.problems)
        return Given(document.status, document.body())


def claim_id(principal: str, key: str) -> str:
    """Of a key as one client means it: nobody can ask for another one's answer."""
    return _hash(principal.encode(), key.encode()).hex()


def request_digest(source: str | None, vehicle: str | None, body: bytes) -> bytes:
    """Of everything that decides what a request means."""
    return _hash((source or "").encode(), (vehicle or "").encode(), body)


def _hash(*parts: bytes) -> bytes:
    """Where one part ends and the next begins counts, too."""
    digest = sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
