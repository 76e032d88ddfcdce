"""`fleetlake alerts`: rules over what vehicles send, the alerts that they open, and whom they told."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.load import load_registry
from contracts.times import iso_text
from fleetlake.commands.alert_rules import RulesFile, fleets_of, rules_of
from fleetlake.commands.alert_trial import try_rule
from fleetlake.commands.plain_text import aligned, counted, shortened, terminal_width
from fleetlake.settings import Settings
from fleetlake.stack.presence import require_choice, require_server
from ingest.alerts.errors import RulesMissing
from ingest.alerts.load import load_rules

WIDTH = 60
"""Columns of a summary, where there is no terminal."""

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Rules over what vehicles send, and their alerts."
)

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command("run")
def run_alerts(
    rules: RulesFile = None, supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False
) -> None:
    """Judge what comes by the rules, keep alerts in MongoDB, and tell webhooks.

    Any number of these processes share the work. SIGTERM and Ctrl-C finish what was read, and exit with 0.
    """
    from fleetlake.supervised import ending_with_reason

    settings = Settings()
    if not supervised:
        require_choice(settings, "kafka", "mongo")
    with ending_with_reason(supervised=supervised):
        _run(settings, rules)


@app.command("list")
def list_alerts(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Alerts, the newest first, and what became of telling of them."""
    from lake.alert_outbox import AlertOutbox
    from lake.alert_store import AlertStore

    settings = Settings()
    require_server(settings, "mongo")
    with AlertStore(settings.mongo) as store:
        outbox = AlertOutbox(settings.mongo, store.client)
        alerts = store.alerts("open" if only_open else None, limit)
        deliveries = outbox.of_alerts([alert["_id"] for alert in alerts])
        given_up = outbox.count("given_up")
    found = [_shown(alert, deliveries.get(alert["_id"], [])) for alert in alerts]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for line in _lines(found) if found else ["no open alerts" if only_open else "no alerts"]:
        typer.echo(line)
    if given_up:
        many = "delivery was" if given_up == 1 else "deliveries were"
        typer.echo(f"{given_up} {many} given up; `fleetlake alerts redrive` tries again", err=True)


@app.command("redrive")
def redrive(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Of alerts or deliveries; none: all.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try deliveries again that were given up. A process of `fleetlake alerts run` sends them."""
    from ingest.alerts.run import wall_us
    from lake.alert_outbox import AlertOutbox
    from lake.alert_store import AlertStore

    settings = Settings()
    require_choice(settings, "mongo")
    with AlertStore(settings.mongo) as store:
        count = AlertOutbox(settings.mongo, store.client).redrive(ids or [], wall_us())
    if as_json:
        typer.echo(json.dumps({"redriven": count}))
        return
    typer.echo(f"{'1 delivery' if count == 1 else f'{count} deliveries'} to be tried again")


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="A file of rules (YAML).")], as_json: AsJson = False
) -> None:
    """Say what is wrong with a file of rules. Exit code 1 if anything is."""
    rules = rules_of(file, load_registry(Settings().contracts))
    names = [rule.name for rule in rules.rules]
    if as_json:
        typer.echo(json.dumps({"rules": names, "webhooks": list(rules.webhooks)}))
        return
    typer.echo(f"{counted(len(names), 'rule')}: {', '.join(names)}")
    for name, webhook in rules.webhooks.items():
        typer.echo(f"webhook {name} ({webhook.format}): {webhook.url}")


app.command("test")(try_rule)


def _run(settings: Settings, rules: Path | None) -> None:
    from ingest.alerts.run import AlertSite, run
    from ingest.process import Stop, StoppedBeforeStart, collect_garbage_seldom, configure_logs, logger

    registry = load_registry(settings.contracts)
    file = rules or settings.alerts.rules
    if file is None:
        raise RulesMissing
    site = AlertSite(
        settings.kafka,
        settings.mongo,
        settings.ingest,
        settings.alerts,
        registry,
        load_rules(file, registry),
        fleets_of(settings),
    )
    configure_logs()
    collect_garbage_seldom()
    stop = Stop()
    with stop.on_signals(), suppress(StoppedBeforeStart):
        logger("alerts").info("starting", kafka=settings.kafka.bootstrap_servers, rules=str(file))
        run(site, stop=stop)


def _shown(alert: dict[str, Any], deliveries: list[dict[str, Any]]) -> dict[str, Any]:
    resolved_us = alert["resolved_us"]
    return {
        "alert_id": alert["_id"],
        "rule": alert["rule"],
        "vehicle_id": alert["vehicle_id"],
        "state": alert["state"],
        "severity": alert["severity"],
        "opened_time": iso_text(alert["opened_us"]),
        "resolved_time": None if resolved_us is None else iso_text(resolved_us),
        "value": alert["value"],
        "summary": alert["summary"],
        "deliveries": [
            {
                "delivery_id": each["_id"],
                "webhook": each["webhook"],
                "event": each["event"],
                "state": each["state"],
                "tries": each["tries"],
                "last_error": each["last_error"],
            }
            for each in deliveries
        ],
    }


def _lines(found: list[dict[str, Any]]) -> list[str]:
    rows = [["state", "severity", "rule", "vehicle", "opened", "over", "summary", "told"]]
    width = terminal_width()
    for alert in found:
        told = sorted(
            {f"{each['webhook']} {each['state'].replace('_', ' ')}" for each in alert["deliveries"]}
        )
        times = [alert["opened_time"], alert["resolved_time"] or ""]
        summary = shortened(alert["summary"], WIDTH if width is None else max(20, width // 3))
        names = [alert["state"], alert["severity"], alert["rule"], shortened(alert["vehicle_id"], WIDTH)]
        rows.append([*names, *times, summary, ", ".join(told)])
    return aligned(rows)
