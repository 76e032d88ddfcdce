"""Reads back what the demo sent and judges it: counts, documents, maxima, and the audit's word."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from broker.record import TopicPartition
from contracts.registry import Registry
from fleetlake.demo import facts
from fleetlake.demo.facts import Counts
from fleetlake.demo.plan import DRIVES, USE_CASES, Expected
from fleetlake.demo.verdicts import (
    Verdict,
    judge_dead_letters,
    judge_drives,
    judge_maxima,
    judge_rows,
    judge_tables,
    judge_trips,
    judge_use_case,
)
from fleetlake.settings import Settings, child_environment
from lake.query import Warehouse, connect
from lake.state import StateStore
from orchestration.materialize import Outcome

CLEAN = "nothing lost, nothing doubled"


@dataclass(frozen=True, slots=True)
class Before:
    """What earlier runs left: everything is counted from here."""

    counts: Counts
    dead_letters: Mapping[TopicPartition, int]
    maxima: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Answers:
    """The places where answers are."""

    settings: Settings
    registry: Registry
    store: StateStore

    def before(self) -> Before:
        """What is there before anything is sent."""
        with connect(self.settings.lake) as warehouse:
            counts = facts.count_rows(warehouse)
        letters = facts.dead_letter_ends(self.settings, self.registry)
        return Before(counts, letters, facts.read_maxima(self.settings, self.registry))

    def judge(self, expected: Expected, before: Before, made: Sequence[Outcome]) -> Iterator[Verdict]:
        """Every claim of the demo, one after the other; `made` is how the runs of the transforms ended."""
        with connect(self.settings.lake) as warehouse:
            yield from judge_rows(expected, facts.count_rows(warehouse).since(before.counts))
            yield self._first_use_case(warehouse)
            yield judge_trips(facts.trip_distances(warehouse, [drive.vehicle for drive in DRIVES]))
        problems = [problem for outcome in made for problem in outcome.problems]
        yield judge_tables(sum(outcome.passed_checks for outcome in made), problems)
        letters = facts.count_dead_letters(self.settings, self.registry, before.dead_letters)
        yield judge_dead_letters(expected, letters)
        yield self._second_use_case()
        yield judge_drives(facts.state_values(self.store, [drive.vehicle for drive in DRIVES], "soc"))
        yield judge_maxima(expected, before.maxima, facts.read_maxima(self.settings, self.registry))
        yield self._audit()

    def _first_use_case(self, warehouse: Warehouse) -> Verdict:
        """Asked of the history as it was then: the second use case goes on where the first ended."""
        document = _expected_document("use case 1")
        found = facts.document_as_of(warehouse, self.registry, document["eventTime"])
        return judge_use_case("use case 1, from the history as of then", document, found)

    def _second_use_case(self) -> Verdict:
        found = facts.document_now(self.store, self.registry)
        return judge_use_case("use case 2, from MongoDB now", _expected_document("use case 2"), found)

    def _audit(self) -> Verdict:
        done = subprocess.run(
            [sys.executable, "-m", "fleetlake.cli", "audit", "--json"],
            env=child_environment({}),
            stdout=subprocess.PIPE,
            check=False,
        )
        if not done.stdout:
            return Verdict("audit", CLEAN, f"no answer, exit code {done.returncode}", holds=False)
        answer = json.loads(done.stdout)
        problems = answer["problems"]
        found = CLEAN if answer["ok"] else f"{len(problems)} problems, e.g. {problems[:2]}"
        return Verdict("audit", CLEAN, found, holds=bool(answer["ok"]))


def _expected_document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(USE_CASES[name][1].read_text())
    return document
