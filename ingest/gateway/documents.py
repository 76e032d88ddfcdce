"""What the gateway says of events, as its clients read it: the shapes of docs/api.md."""

from collections.abc import Sequence
from typing import Final

import msgspec

from contracts.explain import FieldProblem
from contracts.problem import Kind, Problem

FORBIDDEN_VEHICLE: Final = "forbidden_vehicle"
"""The one reason that is not a contract's: the vehicle is of another fleet."""


class FieldFault(msgspec.Struct, frozen=True):
    """One field of an event that was refused."""

    field: str
    reason: str
    detail: str


class EventProblem(msgspec.Struct, frozen=True):
    """One event that was not taken."""

    index: int
    reason: str
    detail: str
    fields: tuple[FieldFault, ...] = ()


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an event lies. `refused` are readings that its contract does not take; the others count."""

    index: int
    source: str
    topic: str
    partition: int
    offset: int
    refused: tuple[FieldFault, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """What became of a request of which something was taken."""

    accepted: int
    rejected: int
    receipts: Sequence[Receipt]
    problems: Sequence[EventProblem]

    @property
    def status(self) -> int:
        return 207 if self.problems else 202

    def body(self) -> bytes:
        return ENCODER.encode(self)


ENCODER: Final = msgspec.json.Encoder()


def answer(receipts: Sequence[Receipt], problems: Sequence[EventProblem]) -> Answer:
    """Counts them."""
    return Answer(len(receipts), len(problems), receipts, problems)


def faults(problems: Sequence[FieldProblem]) -> tuple[FieldFault, ...]:
    """As documents have them."""
    return tuple(FieldFault(each.field, each.reason.value, each.detail) for each in problems)


def nothing_taken(problems: Sequence[EventProblem], *, is_single: bool) -> Problem:
    """No event of the request was valid."""
    first = problems[0]
    if is_single and first.reason == FORBIDDEN_VEHICLE:
        return Problem(Kind.FORBIDDEN, first.detail)
    detail = first.detail if is_single else f"none of {len(problems)} events was valid"
    return Problem(Kind.INVALID_EVENT, detail, problems=msgspec.to_builtins(problems))
