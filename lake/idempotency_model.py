"""Claims of idempotency keys, and the documents they are in MongoDB."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bson.binary import Binary

from lake.mongo import Document

Ends = Mapping[tuple[str, int], int]
"""(topic, partition) -> an offset at or before that of anything that the request writes there."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who writes a claim's events: a transactional id, and where to look whether its process lives."""

    transactional_id: str
    leases: str
    slot: int


@dataclass(frozen=True, slots=True)
class Given:
    """The answer of a request, as it was given first."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """One request with a key. `attempt` is another one whenever the owner or the ends are."""

    id: str
    digest: bytes
    attempt: str
    owner: Owner
    time: datetime
    events: int
    """How many it writes: all or none."""

    problems: bytes
    """What the answer says of the events that are not written."""

    ends: Ends
    given: Given | None = None


def unanswered(claim: Claim) -> Document:
    """Finds this attempt of the claim while it has no answer."""
    return {"_id": claim.id, "attempt": claim.attempt, "is_answered": False}


def answered(given: Given) -> Document:
    """What an answer sets."""
    return {"is_answered": True, "status": given.status, "body": Binary(zlib.compress(given.body, 1))}


def to_document(claim: Claim) -> Document:
    """Of a claim without an answer."""
    return {
        "_id": claim.id,
        "digest": Binary(claim.digest),
        "attempt": claim.attempt,
        "owner": claim.owner.transactional_id,
        "leases": claim.owner.leases,
        "slot": claim.owner.slot,
        "time": claim.time,
        "events": claim.events,
        "problems": Binary(zlib.compress(claim.problems, 1)),
        "ends": [[topic, partition, offset] for (topic, partition), offset in claim.ends.items()],
        "is_answered": False,
    }


def from_document(document: Document) -> Claim:
    """The inverse."""
    given = None
    if document["is_answered"]:
        given = Given(document["status"], zlib.decompress(document["body"]))
    return Claim(
        id=document["_id"],
        digest=bytes(document["digest"]),
        attempt=document["attempt"],
        owner=Owner(document["owner"], document["leases"], document["slot"]),
        time=document["time"],
        events=document["events"],
        problems=zlib.decompress(document["problems"]),
        ends={(topic, partition): offset for topic, partition, offset in document["ends"]},
        given=given,
    )
