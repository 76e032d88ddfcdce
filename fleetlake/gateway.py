"""Puts the gateway and the shell around it together, and runs them until a stop is requested."""

from collections.abc import Callable
from pathlib import Path

from contracts.access import Vehicles
from contracts.load import load_registry
from fleetlake.settings import Settings
from fleetlake.web.access import Access
from fleetlake.web.problems import EXCEPTION_HANDLERS
from fleetlake.web.server import serve
from fleetlake.web.shell import guarded
from ingest.gateway.app import gateway_app
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.ready import readiness
from ingest.gateway.run import NAME, opened
from ingest.process import Stop, collect_garbage_seldom, configure_logs, logger
from transforms.vehicles import load_vehicles


def run_gateway(settings: Settings, stop: Stop, on_listening: Callable[[str], None]) -> None:
    """Serves; requests at work when it is told to stop are answered first."""
    configure_logs()
    collect_garbage_seldom()
    own, registry, metrics = settings.gateway, load_registry(settings.contracts), GatewayMetrics()
    access = Access.on(own.host, settings.http, settings.data_dir)
    vehicles = vehicles_of(settings.vehicles)
    with opened(settings.kafka, settings.mongo, settings.ingest, own, registry, metrics) as gateway:
        app = gateway_app(gateway, vehicles=vehicles, exception_handlers=EXCEPTION_HANDLERS)
        ready = readiness(settings.kafka, registry.topics())
        shell = guarded(
            app, http=settings.http, access=access, name=NAME, registry=metrics.registry, ready=ready
        )
        logger(NAME).info("starting", kafka=settings.kafka.bootstrap_servers)
        serve(shell, host=own.host, port=own.port, on_listening=on_listening, stop=stop, http=settings.http)


def vehicles_of(file: Path | None) -> Vehicles:
    """Whose vehicles are, by the vehicle registry."""
    table = load_vehicles(file)
    names, fleets = table.column("vehicle_id").to_pylist(), table.column("fleet").to_pylist()
    return Vehicles(dict(zip(names, fleets, strict=True)))
