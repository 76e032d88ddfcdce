"""What the demo claims: each claim with what was expected, what was found, and whether they agree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleetlake.demo.facts import Counts
from fleetlake.demo.plan import DRIVES, Expected

ROWS = "rows landed"
REJECTED = "rejected in bronze"
DEAD_LETTERS = "dead letters"

COMPARED = ("did", "eventTime", "odo", "soc", "speed", "ignition")
"""Of a use case's document; the time of ingestion is another one every time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One claim."""

    claim: str
    expected: str
    found: str
    holds: bool
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Where the claim is about counts: expected and found, by name."""


def judge_rows(expected: Expected, added: Counts) -> Iterator[Verdict]:
    """Every acknowledged message is one row; what was broken is rejected for the reason it was broken for."""
    yield _equal(ROWS, expected.sent, added.rows)
    yield _equal(REJECTED, expected.rejected, added.rejected)


def judge_dead_letters(expected: Expected, found: Mapping[str, int]) -> Verdict:
    """Every message rejected whole is one dead letter."""
    return _equal(DEAD_LETTERS, expected.rejected, found)


def judge_use_case(name: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> Verdict:
    """The document equals the one of the use case."""
    wanted = {field: expected.get(field) for field in COMPARED}
    got = {field: found.get(field) for field in COMPARED}
    return Verdict(name, _document(wanted), _document(got), wanted == got)


def judge_drives(found: Mapping[str, float]) -> Verdict:
    """The state of charge at the end of each recorded drive."""
    wanted = {drive.vehicle: drive.soc for drive in DRIVES}
    agrees = all(abs(found.get(vehicle, -1.0) - soc) < 0.005 for vehicle, soc in wanted.items())
    return Verdict("final SoC of the drives", _values(wanted), _values(found), agrees)


def judge_trips(found: Mapping[str, float]) -> Verdict:
    """The distance of each recorded drive, in `gold.trips`; none more than 0.5 % off."""
    wanted = {drive.vehicle: drive.distance_km for drive in DRIVES}
    agrees = all(abs(found.get(vehicle, 0.0) - km) <= km * 0.005 for vehicle, km in wanted.items())
    rounded = {vehicle: round(km, 2) for vehicle, km in found.items()}
    return Verdict("km of the drives' trips", _values(wanted), _values(rounded), agrees)


def judge_tables(passed: int, problems: Sequence[str]) -> Verdict:
    """Every run of the transforms ended well, and every check of a table passed."""
    found = f"{passed} passed" + (f"; {'; '.join(problems[:3])}" if problems else "")
    return Verdict("checks of silver and the marts", f"{passed + len(problems)} passed", found, not problems)


def judge_maxima(expected: Expected, before: Mapping[str, float], found: Mapping[str, float]) -> Verdict:
    """The greatest pressure of each vehicle, over this run and those before it."""
    wanted = dict(before)
    for vehicle, value in expected.maxima.items():
        wanted[vehicle] = max(value, wanted.get(vehicle, value))
    wrong = sorted(vehicle for vehicle in wanted if found.get(vehicle) != wanted[vehicle])
    text = f"{len(found)} vehicles" + (f", wrong: {', '.join(wrong[:5])}" if wrong else ", all right")
    return Verdict("greatest pressure per vehicle", f"{len(wanted)} vehicles", text, not wrong)


def _equal(claim: str, expected: Mapping[str, int], found: Mapping[str, int]) -> Verdict:
    names = sorted({*expected, *found})
    counts = {name: (expected.get(name, 0), found.get(name, 0)) for name in names}
    holds = all(wanted == got for wanted, got in counts.values())
    return Verdict(claim, f"{sum(expected.values()):,}", f"{sum(found.values()):,}", holds, counts)


def _values(values: Mapping[str, float]) -> str:
    return ", ".join(f"{value:g}" for _, value in sorted(values.items()))


def _document(document: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in document.items() if name != "did")
