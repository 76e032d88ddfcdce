"""`fleetlake audit` and `fleetlake state rebuild`: the proof, and the repair of the state."""

import json
import secrets
import sys
from typing import Annotated

import typer

DEFAULT_SAMPLE = 3000


def audit(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    sample: Annotated[
        int, typer.Option(min=0, help="Messages per partition whose bytes are compared with Kafka's.")
    ] = DEFAULT_SAMPLE,
    full: Annotated[bool, typer.Option("--full", help="Compare the bytes of all messages.")] = False,
) -> None:
    """Prove that every message is a row once, with its bytes, and every state value the history's.

    Exits with 1 and names the coordinates if anything is off.
    """
    from contracts.load import load_registry
    from fleetlake.answers import terminal
    from fleetlake.audit.payloads import Sample
    from fleetlake.audit.run import audit as run_audit
    from fleetlake.audit.show import show
    from fleetlake.settings import Settings

    settings = Settings()
    is_watched = sys.stderr.isatty() and not as_json
    report = run_audit(
        settings.kafka,
        settings.mongo,
        settings.lake,
        load_registry(settings.contracts),
        sample=Sample(None if full else sample, secrets.randbelow),
        progress=(lambda step: typer.echo(f"{step} ...", err=True)) if is_watched else (lambda step: None),
    )
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        show(report, terminal(sys.stdout))
    if not report.is_ok:
        raise typer.Exit(1)


def state_rebuild() -> None:
    """Compute the state anew from the history, and put it in place of the old one in one step.

    Sinks may run on. It lowers values that are too high, and brings back what Kafka no longer has.
    """
    from contracts.load import load_registry
    from fleetlake.settings import Settings
    from fleetlake.stack.presence import require_choice
    from ingest.state_rebuild import rebuild

    settings = Settings()
    require_choice(settings, "kafka", "mongo")
    done = rebuild(
        settings.kafka,
        settings.mongo,
        settings.lake,
        load_registry(settings.contracts),
        report=lambda step: typer.echo(f"{step} ...", err=True),
    )
    typer.echo(
        f"state of {done.vehicles:,} vehicles rebuilt from bronze version {done.bronze_version} "
        f"and {done.messages_from_kafka:,} further messages"
    )
