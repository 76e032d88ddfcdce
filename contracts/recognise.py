"""Which source's message an object is, told by the names of its fields: for events that come without a topic.

It names a source only where no other one could be meant; whoever asks else is told to say it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from contracts.model import Contract
from contracts.parts import TimeSource
from contracts.paths import steps
from contracts.reasons import Reason
from contracts.result import Refused

MOST_REMEMBERED: Final = 4_096
"""Combinations of field names; a fleet has a handful, and a storm of names must not grow a process."""

MOST_NAMES: Final = 256
MOST_CHARS: Final = 4_096
"""Of one combination that is remembered: names may be as long as a message."""

NAME_WEIGHT: Final = 64
MOST_WEIGHT: Final = 4 * 1024 * 1024
"""Of all that is remembered: the characters, and for each name what an empty text costs."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What a source's messages have at their top: the vehicle, all of `needed`, and one of each `choices`."""

    contract: Contract
    vehicle: str | None
    needed: frozenset[str]
    choices: tuple[frozenset[str], ...]

    def fits(self, names: Collection[str]) -> bool:
        has_choices = all(any(name in names for name in choice) for choice in self.choices)
        return has_choices and all(name in names for name in self.needed)

    def is_hinted(self, names: Collection[str], *, has_vehicle: bool) -> bool:
        """Whether the vehicle is where this source has it."""
        return has_vehicle if self.vehicle is None else self.vehicle in names


class Recogniser:
    """Knows the forms of all sources."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        self._forms = [_form(contract) for contract in contracts]
        self._known: dict[tuple[bool, tuple[str, ...]], Contract | Refused] = {}
        self._weight = 0

    def recognise(self, names: Iterable[str], *, has_vehicle: bool = False) -> Contract | Refused:
        """The one source whose messages have these fields; `has_vehicle`: the vehicle is told beside them."""
        asked = has_vehicle, tuple(names)
        found = self._known.get(asked)
        if found is None:
            found = self._among(frozenset(asked[1]), has_vehicle)
            self._remember(asked, found)
        return found

    def _remember(self, asked: tuple[bool, tuple[str, ...]], found: Contract | Refused) -> None:
        names = asked[1]
        chars = sum(map(len, names))
        if len(names) > MOST_NAMES or chars > MOST_CHARS:
            return
        weight = chars + NAME_WEIGHT * (len(names) + 1)
        if len(self._known) >= MOST_REMEMBERED or self._weight + weight > MOST_WEIGHT:
            self._known.clear()
            self._weight = 0
        self._known[asked] = found
        self._weight += weight

    def _among(self, names: frozenset[str], has_vehicle: bool) -> Contract | Refused:
        """A message of which something is missing is still its source's, which can say what."""
        hinted = [form for form in self._forms if form.is_hinted(names, has_vehicle=has_vehicle)]
        chosen = [form for form in hinted if form.fits(names)] or hinted
        if len(chosen) == 1:
            return chosen[0].contract
        options = sorted(form.contract.name for form in chosen or self._forms)
        if chosen:
            detail = f"it may be a message of {' or '.join(options)}: name the source"
        else:
            detail = f"no source has messages of this shape: name the source, one of {', '.join(options)}"
        return Refused(Reason.UNKNOWN_SOURCE, detail)


def _form(contract: Contract) -> _Form:
    needed = set()
    vehicle = _top(contract.vehicle.field) if contract.vehicle.field else None
    if contract.sensor and contract.sensor.required:
        needed.add(_top(contract.sensor.field))
    choices = [frozenset(name for source in contract.event_time for name in _time_fields(source))]
    if contract.long_shape:
        needed.add(_top(contract.long_shape.name))
        choices.append(frozenset(map(_top, contract.long_shape.value_fields)))
    elif contract.list_shape:
        needed.add(_top(contract.list_shape.items))
    else:
        needed |= set(map(_top, contract.required))
        choices.append(frozenset(map(_top, contract.fields)))
    return _Form(contract, vehicle, frozenset(needed), tuple(choice for choice in choices if choice))


def _time_fields(source: TimeSource) -> list[str]:
    if source.columns:
        return [_top(source.columns.date), _top(source.columns.time)]
    return [_top(source.field)] if source.field else []


def _top(path: str) -> str:
    return steps(path)[0]
