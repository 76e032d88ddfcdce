"""A gateway of a test's own, asked over ASGI, and what lies in its topics afterwards."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx
from fastapi import Request, Response

from broker.admin import Admin
from broker.offsets import Offsets
from broker.reader import PartitionReader
from broker.record import Headers, TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics, TopicSpec
from contracts.access import ANYBODY, Principal, Vehicles
from contracts.load import load_registry
from contracts.problem import MEDIA_TYPE, Problem
from contracts.registry import Registry
from ingest.gateway.app import gateway_app
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.run import opened, untold
from ingest.gateway.settings import GatewaySettings
from ingest.settings import IngestSettings
from ingest.steps import Steps
from lake.settings import MongoSettings

JSON = {"content-type": "application/json"}
NOW = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
FLEETS = Vehicles({"CAR_001": "north", "CAR_002": "south"})
NORTH = Principal("north", ANYBODY.scopes, frozenset({"north"}))

App = Callable[[Any, Any, Any], Awaitable[None]]


def registry_of(suffix: str) -> Registry:
    """All contracts, with source topics of the test's own."""
    base = load_registry()
    contracts = {
        name: contract.model_copy(
            update={
                "source_topics": {f"{each}.{suffix}": how for each, how in contract.source_topics.items()}
            }
        )
        for name, contract in base.contracts.items()
    }
    return Registry(base.catalog, contracts, base.limits)


class Found(NamedTuple):
    """A message that a read-committed reader sees."""

    partition: int
    offset: int
    key: bytes | None
    headers: Headers | None
    value: bytes | None


@dataclass(frozen=True)
class GatewaySite:
    """What a gateway runs with."""

    kafka: KafkaSettings
    mongo: MongoSettings
    ingest: IngestSettings
    suffix: str
    settings: GatewaySettings = field(default_factory=GatewaySettings)

    @property
    def registry(self) -> Registry:
        return registry_of(self.suffix)

    def topic(self, source: str) -> str:
        return self.registry.contracts[source].topics[0]

    def create_topics(self, *sources: str, partitions: int = 3, **config: str) -> None:
        Topics(self.kafka).create(
            [TopicSpec(self.topic(source), partitions, config=config) for source in sources]
        )

    @contextmanager
    def serving(
        self,
        principal: Principal = ANYBODY,
        *,
        clock: Callable[[], float] = lambda: NOW,
        done: Steps = untold,
        metrics: GatewayMetrics | None = None,
    ) -> Iterator["Client"]:
        """A gateway, until the block ends."""
        with opened(
            self.kafka,
            self.mongo,
            self.ingest,
            self.settings,
            self.registry,
            metrics or GatewayMetrics(),
            clock=clock,
            done=done,
        ) as gateway:
            app = gateway_app(gateway, vehicles=FLEETS, exception_handlers={Problem: rendered})
            yield Client(as_principal(app, principal))

    def messages(self, source: str) -> list[Found]:
        """Everything in the source's topic, by partition and offset."""
        topic, found = self.topic(source), []
        with PartitionReader(self.kafka) as reader:
            for partition in Admin(self.kafka).partitions([topic]):
                found += _read(reader, partition)
        return found

    def values(self, source: str) -> Counter[bytes | None]:
        return Counter(message.value for message in self.messages(source))

    def end(self, source: str) -> int:
        """Messages and markers in the topic."""
        return sum(Offsets(self.kafka).ends([self.topic(source)]).values())


def _read(reader: PartitionReader, partition: TopicPartition) -> Iterator[Found]:
    for run in reader.read(partition, reader.ends(partition)[0]):
        for row in zip(run.offsets, run.keys, run.headers, run.values, strict=True):
            yield Found(partition.partition, *row)


class Client:
    """Asks an application. One event loop a call."""

    def __init__(self, app: App) -> None:
        self.app = app

    def post(self, path: str, body: bytes | Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
        [answer] = self.posts([(path, body, headers or {})])
        return answer

    def posts(self, requests: Sequence[tuple[str, Any, Mapping[str, str]]]) -> list[httpx.Response]:
        """All at once."""

        async def ask() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://gateway", timeout=60
            ) as client:
                calls = [
                    client.post(path, content=_bytes(body), headers={**JSON, **headers})
                    for path, body, headers in requests
                ]
                return await asyncio.gather(*calls)

        return asyncio.run(ask())


def as_principal(app: App, principal: Principal) -> App:
    """The part of the shell that tests need: who asks."""

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})["principal"] = principal
        await app(scope, receive, send)

    return asked


async def rendered(request: Request, error: Problem) -> Response:
    """And how a problem looks."""
    del request
    return Response(json.dumps(error.document()), error.status, error.headers, MEDIA_TYPE)


def reading(sensor: str = "s1", second: int = 0, **fields: Any) -> dict[str, Any]:
    """An event of source `sensor`."""
    time = f"2026-02-28T10:{second // 60:02d}:{second % 60:02d}Z"
    return {"sensor_id": sensor, "timestamp": time, "temperature": 21.5, **fields}


def snapshot(car: str = "CAR_001", **fields: Any) -> dict[str, Any]:
    """An event of source `car`."""
    return {
        "car_id": car,
        "timestamp": "2026-02-28T10:00:00Z",
        "speed": 59.8,
        "rpm": 2947,
        "engine_temp": 95.8,
        "fuel_level": 33.7,
        "latitude": 52.4,
        "longitude": 13.4,
    } | fields


def _bytes(body: bytes | Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
