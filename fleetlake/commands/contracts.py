"""`fleetlake contracts`: what the messages of each source mean, and what one would make of a sample."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from contracts.catalog import Catalog
from contracts.errors import ContractError
from contracts.judge import Judgement, judge
from contracts.load import Registry, load_contract, load_registry
from contracts.model import Contract
from contracts.parts import SignalField
from contracts.times import iso_text
from fleetlake.commands.plain_text import counted

PIPED_WIDTH = 160
"""Columns where the output is no terminal: names are not cut."""

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What the messages of a source mean.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON value instead of tables.")]


@app.command("list")
def list_contracts(as_json: AsJson = False) -> None:
    """Every source: its shape, topics and number of signals."""
    contracts = _registry().contracts.values()
    if as_json:
        typer.echo(json.dumps([_summary(contract) for contract in contracts], ensure_ascii=False))
        return
    table = Table("source", "shape", "topics", "signals", "description", box=None)
    for contract in contracts:
        signals = str(len(contract.fields))
        table.add_row(contract.name, contract.shape, " ".join(contract.topics), signals, contract.description)
    _console().print(table)


@app.command("show")
def show_contract(
    name: Annotated[str, typer.Argument(help="A source, as `fleetlake contracts list` names it.")],
    as_json: AsJson = False,
) -> None:
    """One source: where its facts stand, what its names mean, its topics."""
    registry = _registry()
    contract = registry.contracts.get(name)
    if contract is None:
        known = ", ".join(registry.contracts)
        message = f"no contract is called {name!r}; there are {known}"
        raise typer.BadParameter(message)
    if as_json:
        typer.echo(json.dumps(_details(contract, registry.catalog), ensure_ascii=False))
        return
    console = _console()
    console.print(f"{contract.name}: {contract.description}")
    console.print(
        f"shape {contract.shape}, hash {contract.hash}, a bad value rejects its {_rejects(contract)}"
    )
    console.print(_signal_table(contract, registry.catalog))
    topics = Table("topic", "partitions", "retention", "cleanup", box=None)
    for topic, settings in contract.topic_settings.items():
        topics.add_row(topic, str(settings.partitions), _retention(settings.retention_ms), settings.cleanup)
    console.print(topics)


@app.command("check")
def check_contract(
    file: Annotated[Path, typer.Argument(help="A contract file (YAML), or the name of a source.")],
    sample: Annotated[
        Path, typer.Argument(help="Recorded messages: JSON lines, JSON in prose, CSV; .gz too.")
    ],
    vehicle: Annotated[str | None, typer.Option(help="Kafka key; default: the sample's file name.")] = None,
    as_json: AsJson = False,
) -> None:
    """What a contract would make of a sample. Exit code 1 if it accepts none of its messages."""
    from simulate.recordings import Recording

    registry = _registry()
    contract = _contract(file, registry)
    recording = Recording(sample)
    key = (vehicle or recording.stem).encode()
    judgement = judge(registry.decoder_of(contract), registry.catalog, recording, key)
    if as_json:
        typer.echo(json.dumps({"contract": contract.name, **judgement.as_json()}, ensure_ascii=False))
    else:
        _print_judgement(contract, judgement)
    if judgement.accepted == 0:
        raise typer.Exit(1)


def _contract(file: Path, registry: Registry) -> Contract:
    """The contract of a file, or of a source where no such file is there. Ends with every mistake of the file
    on a line of its own."""
    named = registry.contracts.get(str(file))
    if named is not None and not file.exists():
        return named
    try:
        return load_contract(file, registry.catalog)
    except ContractError as error:
        for line in str(error).splitlines():
            typer.echo(f"fleetlake: {line.replace(f'{file}:0: ', f'{file}: ', 1)}", err=True)
        raise typer.Exit(1) from error


def _print_judgement(contract: Contract, judgement: Judgement) -> None:
    console = _console()
    console.print(
        f"contract {contract.name} ({contract.shape}): "
        f"{judgement.accepted} of {counted(judgement.messages, 'message')} accepted"
    )
    if judgement.first_time is not None and judgement.last_time is not None:
        between = f"{iso_text(judgement.first_time)} to {iso_text(judgement.last_time)}"
        console.print(f"{counted(len(judgement.vehicles), 'vehicle')}, {between}")
    signals = Table("signal", "readings", "least", "greatest", "examples", "", box=None)
    for name, one in judgement.signals.items():
        note = "" if one.known else "unknown: kept in the history, not in the state"
        least, greatest = _number(one.minimum), _number(one.maximum)
        signals.add_row(name, str(one.count), least, greatest, ", ".join(one.examples), note)
    if judgement.signals:
        console.print(signals)
    for reason, count in judgement.rejected.most_common():
        console.print(f"rejected {counted(count, 'message')}: {reason} ({judgement.details[reason]})")
    for (signal, reason), count in judgement.rejected_signals.most_common():
        console.print(f"refused {counted(count, 'value')} of {signal}: {reason}")


def _registry() -> Registry:
    from fleetlake.settings import Settings

    return load_registry(Settings().contracts)


def _console() -> Console:
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=PIPED_WIDTH)


def _summary(contract: Contract) -> dict[str, object]:
    return {
        "source": contract.name,
        "description": contract.description,
        "shape": contract.shape,
        "topics": contract.topics,
        "signals": len(contract.fields),
        "hash": contract.hash,
    }


def _details(contract: Contract, catalog: Catalog) -> dict[str, object]:
    return {
        **_summary(contract),
        "on_bad_value": contract.on_bad_value,
        "required": contract.required,
        "signals": [
            dict(zip(("wire", "signal", "wire_unit", "unit", "range"), row, strict=True))
            for row in _signal_rows(contract, catalog)
        ],
        "topics": {
            topic: settings.model_dump(include={"partitions", "retention_ms", "cleanup", "config"})
            for topic, settings in contract.topic_settings.items()
        },
    }


def _signal_table(contract: Contract, catalog: Catalog) -> Table:
    table = Table("on the wire", "signal", "unit there", "unit", "range", box=None)
    for row in _signal_rows(contract, catalog):
        table.add_row(*row)
    return table


def _signal_rows(contract: Contract, catalog: Catalog) -> list[tuple[str, str, str, str, str]]:
    flat: list[tuple[str, SignalField]] = []
    for wire, field in contract.fields.items():
        flat += [(f"{wire}: {part}", inner) for part, inner in field.parts.items()] or [(wire, field)]
    rows = []
    for wire, field in flat:
        spec = catalog[field.signal or ""]
        least = spec.minimum if field.minimum is None else field.minimum
        greatest = spec.maximum if field.maximum is None else field.maximum
        bounds = "" if least is None and greatest is None else f"{_number(least)}..{_number(greatest)}"
        rows.append((wire, spec.name, field.unit or spec.unit, spec.unit, bounds or spec.type))
    return rows


def _rejects(contract: Contract) -> str:
    return "whole event" if contract.on_bad_value == "event" else "signal only"


def _retention(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "broker's default"
    return "forever" if milliseconds < 0 else f"{milliseconds / 86_400_000:g} d"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"
