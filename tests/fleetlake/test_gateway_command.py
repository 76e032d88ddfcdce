"""`fleetlake gateway` as an operator meets it: a process, its routes, a signal, an exit code."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from broker.settings import KafkaSettings
from broker.topics import Topics, specs_from
from contracts.load import load_registry
from lake.settings import MongoSettings
from tests.environment import of_kafka, of_mongo
from tests.ingest.gateway.site import reading, snapshot

STOP_SECONDS = 20.0
REGISTRY = "vehicle_id,fleet\nCAR_001,north\n"


@contextmanager
def running(environment: dict[str, str], log: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Its address, when it takes requests."""
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "fleetlake.cli", "gateway"],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("gateway: http://"), log.read_text()
            yield line.removeprefix("gateway: ").strip(), process
        finally:
            process.kill()


@pytest.fixture
def environment(
    kafka_settings: KafkaSettings, mongo_settings: MongoSettings, tmp_path: Path
) -> dict[str, str]:
    """The run's servers, with all topics, and a vehicle registry."""
    Topics(kafka_settings).create(specs_from(load_registry(), kafka_settings))
    (tmp_path / "vehicles.csv").write_text(REGISTRY)
    return {
        **of_kafka(kafka_settings),
        **of_mongo(mongo_settings),
        "FLEETLAKE_DATA_DIR": str(tmp_path / "data"),
        "FLEETLAKE_VEHICLES": str(tmp_path / "vehicles.csv"),
        "FLEETLAKE_GATEWAY__PORT": "0",
    }


def test_it_takes_events_and_stops_in_order(environment: dict[str, str], tmp_path: Path) -> None:
    """Ready, asked with and without a key, counted, and ended by SIGTERM with 0."""
    with running(environment, tmp_path / "log") as (address, process):
        with httpx.Client(base_url=address) as client:
            assert client.get("/ready").status_code == 200
            assert client.post("/ingest", json=reading()).status_code == 202
            assert (
                client.post("/ingest", json=[snapshot()], headers={"Idempotency-Key": "k"}).status_code == 202
            )
            again = client.post("/ingest", json=[snapshot()], headers={"Idempotency-Key": "k"})
            assert again.headers["idempotency-replayed"] == "true"
            refused = client.post("/ingest", json={"a": 1})
            assert (refused.status_code, refused.json()["type"]) == (
                400,
                "urn:fleetlake:problem:invalid-event",
            )
            assert client.get("/openapi.json").json()["info"]["title"] == "Fleetlake gateway"
            assert 'fleetlake_gateway_accepted_total{source="sensor"} 1.0' in client.get("/metrics").text
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0


def test_a_key_of_one_fleet_sends_for_its_vehicles_only(environment: dict[str, str], tmp_path: Path) -> None:
    """By the vehicle registry; without a key nobody sends, once there is one."""
    added = subprocess.run(
        [
            *[sys.executable, "-m", "fleetlake.cli", "keys", "add", "north"],
            *["--scope", "ingest", "--fleet", "north"],
        ],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    headers = {"Authorization": f"Bearer {added.stdout.strip()}"}
    with running(environment, tmp_path / "log") as (address, _), httpx.Client(base_url=address) as client:
        assert client.post("/ingest", json=snapshot()).status_code == 401
        assert client.post("/ingest", json=snapshot("CAR_001"), headers=headers).status_code == 202
        assert client.post("/ingest", json=snapshot("CAR_002"), headers=headers).status_code == 403
