"""`fleetlake state`: the latest value of every signal of a vehicle, its time, and the record it is from."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from contracts.load import load_registry
from contracts.model import Contract
from contracts.render import SignalState, plain_number, render_state
from contracts.times import iso_text
from fleetlake.settings import Settings
from fleetlake.stack.presence import require_server
from lake.state import StateStore
from lake.state_model import Entry, VehicleState

Render = Callable[[VehicleState], Mapping[str, Any]]


class VehicleUnknown(Exception):
    """No catalogued signal of that vehicle has been ingested.

    Operator action: check the spelling (`fleetlake state --all`), what was rejected (`fleetlake deadletters
    list`), and how far the sinks are behind (`fleetlake status`).
    """

    def __init__(self, vehicle_id: str) -> None:
        self.vehicle_id = vehicle_id
        super().__init__(
            f"no state of vehicle {vehicle_id!r}: no signal of it has been ingested yet; "
            "`fleetlake deadletters list` shows what was rejected, `fleetlake status` how far the sinks are"
        )


def state(
    vehicle: Annotated[str | None, typer.Argument(help="The vehicle's id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every vehicle, one JSON object a line.")] = False,
    source: Annotated[
        str | None,
        typer.Option("--as", metavar="SOURCE", help="The document that this source's users know, e.g. tcu."),
    ] = None,
) -> None:
    """The latest state of a vehicle as one JSON object, or of all."""
    if (vehicle is None) != every:
        problem = "name one vehicle, or ask for --all"
        raise typer.BadParameter(problem)
    settings = Settings()
    render = describe if source is None else document_of(contract_named(settings, source))
    require_server(settings, "mongo")
    with StateStore(settings.mongo) as store:
        if vehicle is None:
            for found in store.read_all():
                typer.echo(json.dumps(render(found), ensure_ascii=False))
            return
        one = store.read(vehicle)
    if one is None:
        raise VehicleUnknown(vehicle)
    typer.echo(json.dumps(render(one), ensure_ascii=False, indent=2))


def contract_named(settings: Settings, source: str) -> Contract:
    """The contract of a source."""
    contracts = load_registry(settings.contracts).contracts
    if source not in contracts:
        problem = f"there is no source {source!r}; there are {', '.join(contracts)}"
        raise typer.BadParameter(problem, param_hint="--as")
    return contracts[source]


def document_of(contract: Contract) -> Render:
    """Renders a state as the contract's own document."""

    def render(found: VehicleState) -> Mapping[str, Any]:
        signals = {key: SignalState(entry.t, entry.v) for key, entry in found.signals.items()}
        return render_state(contract, found.vehicle_id, signals, found.written_us)

    return render


def describe(found: VehicleState) -> Mapping[str, Any]:
    """Everything that is known of a vehicle; every value names the Kafka record it came from."""
    return {
        "vehicle_id": found.vehicle_id,
        "written_time": iso_text(found.written_us),
        "signals": {key: _value(entry) for key, entry in sorted(found.signals.items())},
        "maxima": {key: _value(entry) for key, entry in sorted(found.maxima.items())},
    }


def _value(entry: Entry) -> Mapping[str, Any]:
    topic, _, partition = entry.p.rpartition("/")
    return {
        "value": plain_number(entry.v),
        "effective_time": iso_text(entry.t),
        "topic": topic,
        "partition": int(partition),
        "offset": entry.o,
    }
