"""`fleetlake topics`: the Kafka topics as contracts and settings want them, beside those that are there."""

import json
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from broker.settings import KafkaSettings
from broker.topics import Difference, TopicReport, Topics, TopicSpec, specs_from, wait_ready
from contracts.load import load_registry
from fleetlake.settings import Settings
from fleetlake.stack.presence import require_choice, require_server

PIPED_WIDTH = 160
"""Columns where the output is no terminal: names are not cut."""
UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Create and list the Kafka topics.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON value instead of a table.")]


@app.command("create")
def create_topics(
    replace: Annotated[
        bool, typer.Option("--replace", help="Change existing topics to what is wanted, where Kafka can.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create what is missing. Existing topics stay as they are, and differences are reported.

    With --replace, settings are changed and partitions added; what cannot be changed ends with exit code 1.
    """
    kafka, specs = _wanted(require_choice)
    topics = Topics(kafka)
    created = topics.create(specs)
    differences = [each for report in topics.report(specs) for each in report.differences]
    left = topics.apply(differences) if replace else differences
    changed = [each for each in differences if each not in left]
    if as_json:
        typer.echo(json.dumps({"created": created, "changed": _texts(changed), "different": _texts(left)}))
    else:
        _tell(len(specs), created, changed, left, replace)
    if replace and left:
        raise typer.Exit(1)


@app.command("list")
def list_topics(as_json: AsJson = False) -> None:
    """Every topic: how it should be, and whether it is there and so."""
    kafka, specs = _wanted(require_server)
    reports = Topics(kafka).report(specs)
    if as_json:
        typer.echo(json.dumps([_as_json(report) for report in reports]))
        return
    table = Table("topic", "source", "partitions", "retention", "cleanup", "state", box=None)
    for report in reports:
        spec = report.spec
        table.add_row(
            spec.name,
            spec.source,
            str(spec.partitions),
            _retention(spec.config.get("retention.ms")),
            spec.config.get("cleanup.policy", ""),
            "; ".join(_short(each) for each in report.differences) or report.state,
        )
    console = Console(highlight=False, markup=False)
    wide = console if console.is_terminal else Console(highlight=False, markup=False, width=PIPED_WIDTH)
    wide.print(table)


def _wanted(require: Callable[[Settings, str], None]) -> tuple[KafkaSettings, list[TopicSpec]]:
    settings = Settings()
    require(settings, "kafka")
    wait_ready(settings.kafka, waiting=lambda text: typer.echo(text, err=True))
    return settings.kafka, specs_from(load_registry(settings.contracts), settings.kafka)


def _tell(
    count: int,
    created: Sequence[str],
    changed: Sequence[Difference],
    left: Sequence[Difference],
    replace: bool,
) -> None:
    for name in created:
        typer.echo(f"created {name}")
    for each in changed:
        typer.echo(f"changed {each.topic}: {each.setting} from {each.found} to {each.wanted}")
    for each in left:
        hint = "cannot be changed" if not each.can_change else "--replace changes it"
        typer.echo(f"{each} ({hint})", err=replace)
    if not (created or changed or left):
        typer.echo(f"all {count} topics are there, as they should be")


def _short(difference: Difference) -> str:
    return f"{difference.setting} is {difference.found}, should be {difference.wanted}"


def _texts(differences: Sequence[Difference]) -> list[str]:
    return [str(each) for each in differences]


def _retention(milliseconds: str | None) -> str:
    if milliseconds is None:
        return "broker's"
    number = int(milliseconds)
    if number < 0:
        return "forever"
    unit, size = next(((unit, size) for unit, size in UNITS if number % size == 0), ("ms", 1))
    return f"{number // size}{unit}"


def _as_json(report: TopicReport) -> dict[str, object]:
    spec = report.spec
    return {
        "topic": spec.name,
        "source": spec.source,
        "state": report.state,
        "partitions": report.partitions,
        "wanted": {"partitions": spec.partitions, "config": dict(spec.config)},
        "differences": [
            {
                "setting": each.setting,
                "wanted": each.wanted,
                "found": each.found,
                "can_change": each.can_change,
            }
            for each in report.differences
        ],
    }
