"""All services of a site, as threads of the test: sinks, alerts, gateway and read API, each with metrics on a
port of its own, and traffic of which some is wrong."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import Queue

import httpx
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from starlette.types import ASGIApp

from broker.producer import Producer
from broker.settings import KafkaSettings
from broker.topics import Topics, specs_from
from contracts.load import load_registry
from contracts.registry import Registry
from fleetlake.read_api import ready, site
from fleetlake.settings import Settings
from fleetlake.stack.server import LOOPBACK
from fleetlake.web.access import Access
from fleetlake.web.problems import EXCEPTION_HANDLERS
from fleetlake.web.server import serve
from fleetlake.web.shell import guarded
from ingest import history_run, routes_run, state_run
from ingest.alerts.run import AlertSite
from ingest.alerts.run import run as run_alerts
from ingest.alerts.settings import AlertSettings
from ingest.gateway.app import gateway_app
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.ready import readiness
from ingest.gateway.run import opened
from ingest.gateway.settings import GatewaySettings
from ingest.process import Stop
from ingest.settings import IngestSettings
from lake.settings import LakeSettings, MongoSettings
from serving.app import read_app
from tests.deadlines import eventually, meanwhile
from tests.ingest.alerts.alert_scene import SECRET, rules_of
from tests.ingest.gateway.site import FLEETS, snapshot
from tests.serving.scene import settings_of

SOURCES = ("car", "environment")
TRAFFIC_PERIOD_S = 0.2

Work = Callable[..., None]
"""Takes its `stop`."""


@contextmanager
def real_site(
    kafka: KafkaSettings, mongo: MongoSettings, lake: LakeSettings, folder: Path, hook_url: str
) -> Iterator[dict[str, str]]:
    """It runs, and is busy, until the block ends; where each service has its metrics."""
    base = load_registry()
    registry = Registry(base.catalog, {name: base.contracts[name] for name in SOURCES}, base.limits)
    Topics(kafka).create(specs_from(registry, kafka))
    ingest = IngestSettings(
        runtime_dir=folder / "run", metrics_port=0, commit_seconds=0.5, shutdown_seconds=5.0
    )
    settings = settings_of(folder, lake, mongo, kafka=kafka, ingest=ingest)
    alerts = AlertSettings(start="earliest", tick_seconds=0.2, webhook_secrets={"ops": SecretStr(SECRET)})
    sinks: dict[str, Work] = {
        "history": partial(history_run.run, kafka, lake, ingest, registry),
        "state": partial(state_run.run, kafka, mongo, ingest, registry),
        "routes": partial(routes_run.run, kafka, ingest, registry),
        "alerts": partial(run_alerts, AlertSite(kafka, mongo, ingest, alerts, registry, rules_of(hook_url))),
    }
    with ExitStack() as running:
        for name, work in sinks.items():
            running.enter_context(_thread(name, work))
        gateway = running.enter_context(_gateway(settings, registry))
        api = running.enter_context(_read_api(settings))
        addresses = {name: f"{LOOPBACK}:{_port(folder / 'run', name)}" for name in sinks}
        addresses |= {"gateway": gateway.removeprefix("http://"), "api": api.removeprefix("http://")}
        client = running.enter_context(httpx.Client(timeout=30.0))
        traffic = Traffic(registry, Producer(kafka), client, gateway, api)
        with meanwhile(traffic.send, TRAFFIC_PERIOD_S):
            yield addresses


def _port(folder: Path, sink: str) -> int:
    """Of its metrics, as it has written down itself."""
    eventually(lambda: any(folder.glob(f"{sink}-*.json")))
    (card,) = folder.glob(f"{sink}-*.json")
    return int(json.loads(card.read_text())["port"])


@dataclass
class Traffic:
    """Cars that are now too fast and now not, and everything that can be wrong."""

    registry: Registry
    producer: Producer
    client: httpx.Client
    gateway: str
    api: str
    sent: int = 0

    def send(self) -> None:
        """A little of everything."""
        self.sent += 1
        now = datetime.now(UTC).isoformat()
        speed = 120.0 if self.sent % 2 else 50.0
        event = snapshot(timestamp=now, speed=speed)
        keyed = {"Idempotency-Key": f"k{self.sent}"}
        assert self.client.post(f"{self.gateway}/ingest/car", json=event).status_code == 202
        keyed_answer = self.client.post(
            f"{self.gateway}/ingest/car",
            json=snapshot("CAR_002", timestamp=now, engine_temp=130.0),
            headers=keyed,
        )
        assert keyed_answer.status_code == 202
        assert self.client.post(f"{self.gateway}/ingest/car", json={"car_id": "CAR_001"}).status_code == 400
        self._straight("car", b"{no json")
        surroundings = {"vehicle_id": "VH001", "timestamp": now, "temperature": 20.0, "humidity": 400}
        self._straight("environment", json.dumps(surroundings).encode())
        self.client.get(f"{self.api}/fleet/latest")

    def _straight(self, source: str, payload: bytes) -> None:
        self.producer.send(self.registry.contracts[source].topics[0], b"k", payload)
        self.producer.flush()


@contextmanager
def _gateway(settings: Settings, registry: Registry) -> Iterator[str]:
    metrics, kafka = GatewayMetrics(), settings.kafka
    with opened(kafka, settings.mongo, settings.ingest, GatewaySettings(), registry, metrics) as gateway:
        shell = guarded(
            gateway_app(gateway, vehicles=FLEETS, exception_handlers=EXCEPTION_HANDLERS),
            http=settings.http,
            access=Access.on(LOOPBACK, settings.http, settings.data_dir),
            name="gateway",
            registry=metrics.registry,
            ready=readiness(kafka, registry.topics()),
        )
        with _listening("gateway", shell) as address:
            yield address


@contextmanager
def _read_api(settings: Settings) -> Iterator[str]:
    stopping = threading.Event()
    with site(settings, stopping=stopping.is_set) as opened_site:
        shell = guarded(
            read_app(opened_site, exception_handlers=EXCEPTION_HANDLERS),
            http=settings.http,
            access=Access.on(LOOPBACK, settings.http, settings.data_dir),
            name="api",
            registry=CollectorRegistry(),
            ready=partial(ready, opened_site),
        )
        with _listening("api", shell) as address:
            try:
                yield address
            finally:
                stopping.set()


@contextmanager
def _listening(name: str, app: ASGIApp) -> Iterator[str]:
    addresses: Queue[str] = Queue()
    with _thread(name, partial(serve, app, host=LOOPBACK, port=0, on_listening=addresses.put)):
        yield addresses.get(timeout=60.0)


@contextmanager
def _thread(name: str, work: Work) -> Iterator[None]:
    """Until the block ends; its error is raised there."""
    stop, failures = Stop(), list[BaseException]()

    def run() -> None:
        try:
            work(stop=stop)
        except BaseException as failure:  # noqa: BLE001 - raised in the test's thread
            failures.append(failure)

    thread = threading.Thread(target=run, name=f"of-the-site-{name}")
    thread.start()
    try:
        yield
    finally:
        stop.request()
        thread.join(60.0)
        if failures:
            raise failures[0]  # whatever failed in the block, failed for it
    assert not thread.is_alive(), name
