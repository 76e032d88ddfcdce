"""What runs beside a ready stack and serves people and devices: Dagster, the gateway, the read API, alerts.
Started last and stopped first; neither servers nor sinks depend on it."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleetlake.settings import DATA_DIR_VARIABLE, Settings, child_environment, variable_of
from fleetlake.stack.child import ChildSpec
from fleetlake.stack.dagster import STOP_SECONDS as DAGSTER_STOP_SECONDS
from fleetlake.stack.dagster import dagster_specs
from fleetlake.stack.layout import Layout
from fleetlake.stack.server import LOOPBACK

DAGSTER, GATEWAY, API, ALERTS = "dagster", "gateway", "api", "alerts"
NOWHERE: Mapping[str, str] = {}
INTERFACES = {GATEWAY: ("gateway", "gateway"), API: ("serve", "serving")}
"""The command that each HTTP interface is, and the section of its settings."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Which of it is wanted."""

    dagster: bool = False
    http: bool = False
    alerts: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Those that have a port of that name."""
        return (*((GATEWAY, API) if self.http else ()), *((DAGSTER,) if self.dagster else ()))

    @property
    def stop_seconds(self) -> float:
        """How long all of it may take to stop."""
        return DAGSTER_STOP_SECONDS

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Where each of it is, or will be."""
        return {name: f"http://{LOOPBACK}:{ports[name]}" for name in self.names}

    def specs(self, settings: Settings, layout: Layout, ports: Mapping[str, int]) -> Iterator[ChildSpec]:
        """The processes, in the order of their start."""
        if self.http:
            for name in INTERFACES:
                yield _http_spec(name, layout, ports[name])
        if self.alerts:
            yield _spec(ALERTS, [ALERTS, "run", "--supervised"], layout)
        if self.dagster:
            yield from dagster_specs(settings, layout, ports[DAGSTER])


def _http_spec(name: str, layout: Layout, port: int) -> ChildSpec:
    """On loopback, whatever address the settings have for a server of its own."""
    command, section = INTERFACES[name]
    place = {variable_of(section, "host"): LOOPBACK, variable_of(section, "port"): str(port)}
    return _spec(name, [command], layout, place)


def _spec(name: str, words: Sequence[str], layout: Layout, place: Mapping[str, str] = NOWHERE) -> ChildSpec:
    return ChildSpec(
        name=name,
        command=[sys.executable, "-m", "fleetlake.cli", *words],
        environment=child_environment({DATA_DIR_VARIABLE: str(layout.root), **place}),
        log=layout.log(name),
    )
