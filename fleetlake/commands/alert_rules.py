"""What the commands of `fleetlake alerts` have in common: the rules of a file, and whose vehicles are."""

from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import ContractError
from contracts.registry import Registry
from fleetlake.settings import Settings
from ingest.alerts.errors import RulesMissing
from ingest.alerts.load import load_rules
from ingest.alerts.rules import RuleSet

RulesFile = Annotated[
    Path | None, typer.Option("--rules", help="File of rules; default: FLEETLAKE_ALERTS__RULES.")
]


def rules_of(file: Path | None, registry: Registry) -> RuleSet:
    """The rules of a file. Ends with every mistake in it on a line of its own."""
    if file is None:
        raise RulesMissing
    try:
        return load_rules(file, registry)
    except ContractError as error:
        for line in str(error).splitlines():
            typer.echo(f"fleetlake: {line.replace(f'{file}:0: ', f'{file}: ', 1)}", err=True)
        raise typer.Exit(1) from error


def fleets_of(settings: Settings) -> dict[str, str | None]:
    """The fleet of every vehicle of the registry."""
    from transforms.vehicles import load_vehicles

    table = load_vehicles(settings.vehicles)
    return dict(zip(table["vehicle_id"].to_pylist(), table["fleet"].to_pylist(), strict=True))
