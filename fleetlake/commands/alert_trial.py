"""`fleetlake alerts test`: what a rule would have done to the history in the lake, or to a recorded file."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.load import load_registry
from contracts.registry import Registry
from contracts.times import iso_text
from fleetlake.commands.alert_rules import RulesFile, fleets_of, rules_of
from fleetlake.commands.plain_text import aligned, counted, shortened
from fleetlake.settings import Settings
from ingest.alerts.rules import Rule, RuleSet
from ingest.alerts.values import value_text

if TYPE_CHECKING:
    from ingest.alerts.trial import Found

WIDTH = 60
"""Columns of a vehicle's name."""


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is no time, write one such as 2026-03-01T12:00:00Z"
        raise typer.BadParameter(message) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def try_rule(
    name: Annotated[str, typer.Argument(metavar="RULE", help="A rule of the file.")],
    rules: RulesFile = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from", parser=_time, metavar="TIME", help="Of the history; default: a day before the end."
        ),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", parser=_time, metavar="TIME", help="Its end; default: now.")
    ] = None,
    sample: Annotated[Path | None, typer.Option(help="A recorded file instead of the history.")] = None,
    source: Annotated[str | None, typer.Option(help="The contract by which the sample is read.")] = None,
    vehicle: Annotated[str | None, typer.Option(help="Kafka key of the sample; default: its name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """What a rule would have done to the history in the lake, or to a sample. Nobody is told.

    fleetlake alerts test too_fast --from 2026-03-01T00:00:00Z --to 2026-03-02T00:00:00Z
    """
    settings = Settings()
    registry = load_registry(settings.contracts)
    known = rules_of(rules or settings.alerts.rules, registry)
    rule = known.rule(name)
    if rule is None:
        message = f"there is no rule {name!r}; there are {', '.join(each.name for each in known.rules)}"
        raise typer.BadParameter(message, param_hint="RULE")
    if sample is None:
        end = until or datetime.now(UTC)
        tried = _of_history(settings, rule, since or end - timedelta(days=1), end)
    else:
        tried = _of_sample(sample, registry, known, rule, source, vehicle)
    fleets = fleets_of(settings)
    _print([each for each in tried if rule.is_about(each.vehicle_id, fleets.get(each.vehicle_id))], as_json)


def _of_history(settings: Settings, rule: Rule, since: datetime, until: datetime) -> "list[Found]":
    from fleetlake.alert_history import facts_of_lake
    from fleetlake.marts import warehouse
    from ingest.alerts.trial import trial

    with warehouse(settings) as lake:
        facts = facts_of_lake(lake, rule, since, until)
        return list(trial(rule, facts, int(until.timestamp() * 1_000_000)))


def _of_sample(
    file: Path, registry: Registry, known: RuleSet, rule: Rule, source: str | None, vehicle: str | None
) -> "list[Found]":
    from fleetlake.alert_history import facts_of_sample
    from ingest.alerts.trial import trial

    contract = registry.contracts.get(source or "")
    if contract is None:
        message = f"name the source of the sample: {', '.join(registry.contracts)}"
        raise typer.BadParameter(message, param_hint="--source")
    only = known.model_copy(update={"rules": (rule,)})
    return list(trial(rule, facts_of_sample(file, contract, registry, only, vehicle)))


def _print(found: "list[Found]", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_tried(each) for each in found], ensure_ascii=False))
        return
    rows = [
        [iso_text(change.at_us), change.event, shortened(vehicle, WIDTH), value_text(change.value)]
        for vehicle, change in found
    ]
    for line in aligned(rows) if rows else []:
        typer.echo(line)
    opened = sum(change.event == "opened" for _, change in found)
    typer.echo(f"{counted(opened, 'alert')} opened, {len(found) - opened} resolved")


def _tried(found: "Found") -> dict[str, Any]:
    from ingest.alerts.changes import alert_id

    vehicle, change = found
    return {
        "event": change.event,
        "alert_id": alert_id(change.rule, vehicle, change.opened_us),
        "vehicle_id": vehicle,
        "time": iso_text(change.at_us),
        "value": change.value,
    }
