"""A fleet in a lake and in MongoDB, and the read API over both on a port of its own, as clients meet it."""

import csv
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import uvicorn
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from contracts.access import ANYBODY, Principal, Scope
from contracts.problem import MEDIA_TYPE, Kind, Problem
from fleetlake.marts import marts
from fleetlake.read_api import site
from fleetlake.settings import Settings
from lake.bronze import BronzePartition, open_or_create
from lake.schemas import BRONZE
from lake.settings import LakeSettings, MongoSettings
from lake.silver import Lane
from lake.state import StateStore
from lake.state_model import Entry, VehicleState
from lake.storage import wait_ready
from serving.app import read_app
from serving.settings import ServingSettings
from transforms.build import build
from transforms.increment import increment
from transforms.load import load_models
from transforms.plan import plan

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
YESTERDAY = NOON - timedelta(days=1)
CARS, SENSORS = "car.telemetry.v1", "sensor.telemetry.v1"
FLEETS = {"N1": "north", "N2": "north", "S1": "south"}
"""Those that are registered; U1 is not."""

START_SECONDS = 30.0

Values = Mapping[str, float | str]
Message = tuple[str, datetime, Values]
"""Vehicle, event time, and what it says."""


PROMPT = ServingSettings(
    snapshot_seconds=0.0,
    fleet_seconds=0.0,
    health_seconds=0.0,
    stream_poll_ms=50,
    stream_overlap_ms=5000,
    stream_heartbeat_seconds=0.5,
    sql_enabled=True,
)
"""Nothing is kept: what a test writes is seen at once."""


def settings_of(folder: Path, lake: LakeSettings, mongo: MongoSettings, **more: Any) -> Settings:
    """Of one process, with the vehicle registry."""
    return Settings(
        data_dir=folder, lake=lake, mongo=mongo, vehicles=register(folder), **{"serving": PROMPT, **more}
    )


class Scene:
    """Messages land in the lake, and states in MongoDB, as a test says."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.sent = settings, 0
        self.bronze: DeltaTable = open_or_create(wait_ready(settings.lake))
        self.state = StateStore(settings.mongo)

    def land(
        self, *messages: Message, topic: str = CARS, at: datetime = NOON, error: str | None = None
    ) -> None:
        """One commit."""
        rows = [self._row(topic, at, error, *message) for message in messages]
        checkpoint = Transaction(BronzePartition("life", 0).transaction, self.sent + 1)
        write_deltalake(
            self.bronze,
            pa.Table.from_pylist(rows, BRONZE),
            mode="append",
            commit_properties=CommitProperties(app_transactions=[checkpoint]),
        )

    def _row(
        self, topic: str, at: datetime, error: str | None, vehicle: str, time: datetime, values: Values
    ) -> dict[str, Any]:
        self.sent += 1
        return {
            "topic_id": "life",
            "topic": topic,
            "partition": 0,
            "offset": self.sent,
            "kafka_time": at,
            "source": topic.partition(".")[0],
            "vehicle_id": vehicle,
            "event_time": time,
            "signals": [_signal(name, time, value) for name, value in values.items()],
            "error": error,
            "ingest_time": at,
            "ingest_date": at.date(),
        }

    def increment(self) -> None:
        """Silver has what has landed."""
        model = load_models()["silver.signals"]
        for lane in Lane:
            increment(self.settings.lake, model, lane)

    def build(self, *tables: str) -> None:
        """The marts are made of silver."""
        self.increment()
        known = marts(self.settings)
        for table, partitions in plan(known).items():
            if not tables or table in tables:
                build(known, known.models[table], partitions)

    def write(self, vehicle: str, values: Values, at: datetime = NOON, written_us: int | None = None) -> None:
        """A state, written now."""
        t = int(at.timestamp() * 1_000_000)
        entries = {key: Entry(t, value, f"{CARS}/0", self.sent) for key, value in values.items()}
        written = time.time_ns() // 1000 if written_us is None else written_us
        self.state.write([VehicleState(vehicle, entries, {}, written)])


def _signal(name: str, time: datetime, value: float | str) -> Mapping[str, Any]:
    number, text = (None, value) if isinstance(value, str) else (value, None)
    return {"signal": name, "event_time": time, "effective_time": time, "value": number, "text": text}


def drive(vehicle: str, begin: datetime, minutes: int = 10, speed: float = 50.0) -> list[Message]:
    """Messages of a drive, ten seconds apart, and of the stand after it."""
    moving = [
        (
            vehicle,
            begin + timedelta(seconds=10 * number),
            {
                "speed": speed + number % 7,
                "latitude": 52.5 + number / 1000,
                "longitude": 13.4 + number / 1000,
                "soc": 80 - number / 10,
                "ignition": 1.0,
            },
        )
        for number in range(6 * minutes)
    ]
    over = (vehicle, begin + timedelta(minutes=minutes), {"speed": 0.0, "ignition": 0.0})
    return [*moving, over]


def register(folder: Path) -> Path:
    """The vehicle registry."""
    file = folder / "vehicles.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["vehicle_id", "fleet", "model"])
        writer.writerows([vehicle, fleet, "Twizy"] for vehicle, fleet in FLEETS.items())
    return file


async def show(request: Request, error: Exception) -> Response:
    """As the shell shows a Problem."""
    del request
    assert isinstance(error, Problem)
    return Response(json.dumps(error.document()), error.status, headers=error.headers, media_type=MEDIA_TYPE)


async def show_framework(request: Request, error: Exception) -> Response:
    """As the shell shows the framework's own errors."""
    assert isinstance(error, HTTPException)
    kinds = {404: Kind.NOT_FOUND, 405: Kind.METHOD_NOT_ALLOWED}
    kind = kinds.get(error.status_code, Kind.INVALID_REQUEST)
    return await show(request, Problem(kind, error.detail, headers=error.headers))


HANDLERS: Mapping[type[Exception], Any] = {Problem: show, HTTPException: show_framework}


class Somebody:
    """In place of the shell: whoever the header `x-fleets` or `x-scopes` says, else anybody."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.positions: list[Sequence[str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            state = scope.setdefault("state", {})
            state["principal"] = _principal(dict(scope["headers"]))
            state["reads_positions"] = read = list[str]()
            self.positions.append(read)
        await self.app(scope, receive, send)


def _principal(headers: Mapping[bytes, bytes]) -> Principal:
    fleets, scopes = headers.get(b"x-fleets"), headers.get(b"x-scopes", b"read sql").decode()
    if fleets is None and b"x-scopes" not in headers:
        return ANYBODY
    named = frozenset(fleets.decode().split(",")) if fleets is not None else None
    return Principal("somebody", frozenset(Scope(each) for each in scopes.split()), named)


class Api(httpx.Client):
    """A client of the API that runs."""

    somebody: Somebody
    stopping: threading.Event

    def rows(self, path: str, member: str, **parameters: Any) -> list[Any]:
        """All rows of a list, page by page."""
        found: list[Any] = []
        cursor: str | None = None
        while True:
            given = {**parameters, **({"cursor": cursor} if cursor else {})}
            answer = self.get(path, params=given)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page[member]
            cursor = page["next_cursor"]
            if cursor is None:
                return found


@contextmanager
def running(app: Any) -> Iterator[str]:
    """An ASGI application on a free port, served by a thread; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        server.capture_signals = _no_signals  # type: ignore[method-assign]  # not the main thread
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline = time.monotonic() + START_SECONDS
            while not server.started:
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _no_signals() -> Iterator[None]:
    yield


@contextmanager
def api(settings: Settings) -> Iterator[Api]:
    """The read API over the stores that the settings name."""
    stopping = threading.Event()
    with site(settings, stopping=stopping.is_set) as opened:
        somebody = Somebody(read_app(opened, exception_handlers=HANDLERS))
        with running(somebody) as address, Api(base_url=address, timeout=60.0) as client:
            client.somebody, client.stopping = somebody, stopping
            try:
                yield client
            finally:
                stopping.set()
