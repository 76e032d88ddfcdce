"""A case of the fault suite: what is promised, written down before it runs, and what is done to break it."""

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.rig.site import Plan, Site, running
from tests.faults.rig.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a case adds to the comparison: facts for the table, and promises of its own that did not hold."""

    recovery_s: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    verdict: Verdict | None = None
    """Where the case compared by itself; None: compared after it."""


@dataclass(frozen=True, slots=True)
class Case:
    """`act` does everything up to the moment at which all sinks should have caught up."""

    name: str
    group: str
    promise: str
    act: Callable[[Site, float], Outcome]
    plan: Plan


CASES: dict[str, Case] = {}
ORDINARY = Plan()


def case(
    group: str, promise: str, plan: Plan = ORDINARY
) -> Callable[[Callable[[Site, float], Outcome]], Callable[[Site, float], Outcome]]:
    """Registers a function as the case of its name."""

    def register(act: Callable[[Site, float], Outcome]) -> Callable[[Site, float], Outcome]:
        name = act.__name__.replace("_", " ")
        CASES[act.__name__] = Case(name, group, promise, act, plan)
        return act

    return register


def run_case(case: Case, folder: Path, scale: float) -> dict[str, Any]:
    """Runs one case from nothing; its line of the table."""
    began = time.monotonic()
    line: dict[str, Any] = {"case": case.name, "group": case.group, "promise": case.promise, "scale": scale}
    try:
        with running(folder, case.plan) as site:
            outcome = case.act(site, scale)
            verdict = outcome.verdict or _settled(site)
            unasked = site.sinks.unasked()
    except Exception as error:  # noqa: BLE001 - a case that breaks down is a line of the table, too
        line |= {"ok": False, "broken": [f"{type(error).__name__}: {error}"]}
        line["traceback"] = traceback.format_exc()[-3000:]
    else:
        line |= verdict.as_json()
        line |= {"recovery_s": outcome.recovery_s, "facts": dict(outcome.facts), "unasked_ends": unasked}
        line |= {"broken": list(outcome.broken), "ok": verdict.is_clean and not outcome.broken}
    line["seconds"] = round(time.monotonic() - began, 1)
    return line


def _settled(site: Site) -> Verdict:
    site.wait()
    return site.verdict()
