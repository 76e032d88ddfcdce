"""When what is due is asked for: today every few minutes, past days when nothing more comes for them.

Nothing is lost by waiting, nor by a request that comes to nothing: what is due stays due until it is built.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date

from lake.gold import WHOLE
from orchestration.settings import OrchestrationSettings

Plan = Mapping[str, list[str]]

LONGEST_WAIT = 5
"""In quiet times: past days that get something all the time are built after as many of them."""

FAILURES = 3
"""Runs in a row that failed, after which the next one waits."""

BACKOFF_S = 900.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What a sensor keeps between two looks, as text: a hint, which may be lost."""

    past: str = ""
    """What the sources had of past days at the last look."""
    past_since: float = 0.0
    waiting_since: float = 0.0
    today_at: float = 0.0
    """When today was asked for last; all in seconds of the epoch."""

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str | None) -> "Memory":
        """Of a cursor, which may be of another version."""
        try:
            known = json.loads(text or "{}")
            return cls(**{name: known[name] for name in known.keys() & cls.__dataclass_fields__.keys()})
        except (ValueError, AttributeError, TypeError):
            return cls()


@dataclass(frozen=True, slots=True)
class Choice:
    """What to ask for now, and why the rest has to wait."""

    plan: dict[str, list[str]]
    memory: Memory
    waits: list[str] = field(default_factory=list)


def choose(
    plan: Plan,
    marks: Mapping[str, int],
    memory: Memory,
    settings: OrchestrationSettings,
    now: float,
    today: date,
) -> Choice:
    """`marks` has a number for each day of the sources that changes with its rows."""
    current = today.isoformat()
    first = settings.first_day.isoformat()
    past = _only(plan, lambda day: first <= day < current)
    present = _only(plan, lambda day: day in (current, WHOLE))
    signature = _signature({day: mark for day, mark in marks.items() if day < current})
    if signature != memory.past:
        memory = replace(memory, past=signature, past_since=now)
    if not past:
        memory = replace(memory, waiting_since=now)
    asked: dict[str, list[str]] = {}
    waits: list[str] = []
    is_quiet = now - memory.past_since >= settings.quiet_s
    if past and not is_quiet and now - memory.waiting_since < LONGEST_WAIT * settings.quiet_s:
        waits.append("past days still get readings")
    elif past:
        asked = past
        memory = replace(memory, waiting_since=now)
    if present and not asked and now - memory.today_at < settings.today_every_s:
        waits.append("today was built a short while ago")
    elif present:
        asked = {table: sorted({*asked.get(table, []), *present.get(table, [])}) for table in plan}
        memory = replace(memory, today_at=now)
    return Choice({table: days for table, days in asked.items() if days}, memory, waits)


def _only(plan: Plan, wanted: Callable[[str], bool]) -> dict[str, list[str]]:
    chosen = {table: [day for day in days if wanted(day)] for table, days in plan.items()}
    return {table: days for table, days in chosen.items() if days}


def _signature(marks: Mapping[str, int]) -> str:
    return hashlib.blake2b(json.dumps(sorted(marks.items())).encode(), digest_size=8).hexdigest()
