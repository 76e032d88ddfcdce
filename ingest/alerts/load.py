"""Reads a file of rules, and checks what its fields alone cannot tell. Whoever holds a `RuleSet` from here
may rely on it: every signal, kind of anomaly and webhook that a rule names exists, and no two rules have a
name."""

import difflib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from contracts.catalog import Catalog
from contracts.registry import Registry
from contracts.yaml_file import KeyPath, first_of, read_document
from ingest.alerts.areas import Circle, Point, Polygon
from ingest.alerts.rules import (
    Anomalies,
    BatteryLow,
    Geofence,
    Missing,
    Rule,
    RuleSet,
    Threshold,
    Webhook,
)

Problem = tuple[KeyPath, str, str]
"""Where, what is wrong, and what to do."""

_MODELS: Final = (
    *(RuleSet, Rule, Webhook, Threshold, Missing, Geofence, BatteryLow, Anomalies),
    *(Circle, Polygon, Point),
)


def load_rules(file: Path, registry: Registry) -> RuleSet:
    """The rules of a file. ContractError with line and hint of every mistake in it."""
    document = read_document(file)
    rules = document.build(RuleSet, known_keys=_known_keys())
    found = [document.error(*problem) for problem in _problems(rules, registry)]
    if found:
        raise first_of(found)
    return rules


def anomaly_kinds(registry: Registry) -> set[str]:
    """What anomalies are called, in the catalog and in contracts."""
    thresholds = [threshold for spec in registry.catalog.values() for threshold in spec.anomalies]
    for contract in registry.contracts.values():
        thresholds += [each for own in contract.thresholds.values() for each in own]
    return {threshold.kind for threshold in thresholds}


def _problems(rules: RuleSet, registry: Registry) -> Iterator[Problem]:
    seen: set[str] = set()
    kinds = anomaly_kinds(registry)
    for number, rule in enumerate(rules.rules):
        place: KeyPath = ("rules", number)
        if rule.name in seen:
            yield (*place, "name"), f"the name {rule.name} is taken by a rule above", "choose another"
        seen.add(rule.name)
        for index, webhook in enumerate(rule.webhooks):
            if webhook not in rules.webhooks:
                yield (
                    (*place, "webhooks", index),
                    f"there is no webhook {webhook}",
                    _near(webhook, rules.webhooks),
                )
        yield from _of_condition(rule, place, registry.catalog, kinds)


def _of_condition(rule: Rule, place: KeyPath, catalog: Catalog, kinds: Collection[str]) -> Iterator[Problem]:
    condition = rule.condition
    if isinstance(condition, Threshold):
        place = (*place, "threshold")
        if condition.signal not in catalog:
            yield (
                (*place, "signal"),
                f"there is no signal {condition.signal}",
                _near(condition.signal, catalog),
            )
        else:
            yield from _of_type(condition, place, catalog[condition.signal].type == "text")
    elif isinstance(condition, Missing) and condition.signal is not None and condition.signal not in catalog:
        hint = _near(condition.signal, catalog)
        yield (*place, "missing", "signal"), f"there is no signal {condition.signal}", hint
    elif isinstance(condition, Anomalies) and condition.kind not in kinds:
        yield (
            (*place, "anomalies", "kind"),
            f"there is no anomaly {condition.kind}",
            _near(condition.kind, kinds),
        )


def _of_type(condition: Threshold, place: KeyPath, is_text: bool) -> Iterator[Problem]:
    """A text is equal to another or not; a number is compared with numbers."""
    if is_text and condition.op not in {"==", "!="}:
        yield (*place, "op"), f"{condition.signal} is a text", "compare it with == or !="
    if is_text is not isinstance(condition.value, str):
        wanted = "a text" if is_text else "a number"
        yield (*place, "value"), f"{condition.signal} is {wanted}", f"give {wanted}"
    if isinstance(condition.clear, str):
        yield (*place, "clear"), "is no number", "give a number"


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"there are {', '.join(sorted(known))}" if 0 < len(known) <= 20 else "correct the name"


def _known_keys() -> list[str]:
    return [field.alias or name for model in _MODELS for name, field in model.model_fields.items()]
