"""What it takes to break a message: the valid message, the operation, and the reason for which the result
must be rejected."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from contracts.model import Contract
from contracts.reasons import Reason
from simulate.channels import Channel
from simulate.document import Document, Json


class Broken(NamedTuple):
    """Key and payload of a message that must be rejected."""

    key: bytes | None
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Patient:
    """A valid message and what it reports."""

    contract: Contract
    key: bytes | None
    payload: bytes
    channels: Sequence[Channel]
    rng: Random

    def document(self) -> Document:
        return Document(self.contract, self.payload)

    def ranged(self) -> Channel | None:
        """A signal of the message with a largest value, chosen at random; None where there is none."""
        ranged = [channel for channel in self.channels if channel.high < math.inf]
        return self.rng.choice(ranged) if ranged else None


Operation = Callable[[Patient], Broken | None]
"""Breaks the message; None where this message cannot be broken so."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of broken message."""

    name: str
    reason: Reason
    operation: Operation = field(compare=False)
    weight: int = 100


def setting(path: str, value: Json) -> Operation:
    """Writes a value into a field."""

    def operation(patient: Patient) -> Broken:
        document = patient.document()
        document.set(path, value)
        return Broken(patient.key, document.written())

    return operation


def without(*paths: str) -> Operation:
    """Takes fields away."""

    def operation(patient: Patient) -> Broken:
        document = patient.document()
        for path in paths:
            document.delete(path)
        return Broken(patient.key, document.written())

    return operation


def broken_name(fact: str, path: str, limit: int) -> list[Fault]:
    """Kinds that an identifier can have."""
    return [
        Fault(f"{fact}_missing", Reason.MISSING_FIELD, without(path)),
        Fault(f"{fact}_null", Reason.MISSING_FIELD, setting(path, None)),
        Fault(f"{fact}_empty", Reason.MISSING_FIELD, setting(path, "")),
        Fault(f"{fact}_object", Reason.BAD_TYPE, setting(path, {"id": 1})),
        Fault(f"{fact}_fraction", Reason.BAD_TYPE, setting(path, 1.5)),
        Fault(f"{fact}_too_long", Reason.TOO_LARGE, setting(path, "x" * (limit + 1))),
    ]
