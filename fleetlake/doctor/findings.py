"""What a check finds: a fact, how bad it is, and what to do about it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from fleetlake.failures import one_line


class Verdict(StrEnum):
    """How bad it is. Only `wrong` makes doctor fail."""

    FINE = "fine"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact. `action` says what a person can do where something is to be done."""

    check: str
    verdict: Verdict
    fact: str
    action: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


Check = Callable[[], Iterable[Finding]]


def fine(check: str, fact: str) -> Finding:
    return Finding(check, Verdict.FINE, fact)


def note(check: str, fact: str, action: str | None = None) -> Finding:
    return Finding(check, Verdict.NOTE, fact, action)


def wrong(check: str, fact: str, action: str) -> Finding:
    return Finding(check, Verdict.WRONG, fact, action)


def run_check(name: str, check: Check) -> Iterator[Finding]:
    """The findings of one check. A check that fails is itself a finding: doctor goes on with the others."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - whatever is broken is what doctor is asked for
        action = "see the message; with --debug the same command shows where"
        yield wrong(name, f"{type(error).__name__}: {one_line(str(error))}", action)
