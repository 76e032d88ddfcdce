"""Everything at work on a Kafka and a MinIO that are closed by default, each part as the user it is."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
from pydantic import SecretStr

from broker.admin import Admin
from broker.errors import AuthorizationFailed, BrokerError
from broker.offsets import Offsets
from broker.producer import Producer
from broker.ready import wait_ready
from broker.settings import KafkaSettings
from fleetlake.audit.run import audit
from ingest import history_run, routes_run, state_run
from ingest.process import Stop
from ingest.settings import IngestSettings
from lake.bronze import Bronze
from lake.bronze_file import FILE_SCHEMA
from lake.maintenance import maintain
from lake.schemas import BRONZE_EVENTS
from lake.settings import MongoSettings
from lake.state import StateStore
from lake.storage import storage
from lake.storage import wait_ready as wait_store
from tests.deadlines import eventually
from tests.environment import of_lake, of_mongo
from tests.fleetlake.audit.audited import ALL
from tests.security import kafka_trial, table
from tests.security.rig import Secured, secured

pytestmark = [pytest.mark.real_kafka, pytest.mark.real_store, pytest.mark.slow, pytest.mark.timeout(600)]

NOW_MS = 1_761_559_635_000
ANSWER_S = 5.0
EVENTS = 40
LISTENING = re.compile(r"(?:gateway: |are at )(http://\S+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Both servers, granted, with their topics and the bucket."""
    folder: Path = tmp_path_factory.mktemp("secure")
    with secured(folder) as opened:
        wait_store(opened.lake_of("init"))
        yield opened


def car(number: int) -> bytes:
    """A snapshot: every fifth one too fast, every tenth one broken."""
    event = {
        "car_id": f"CAR_{number % 4}",
        "timestamp": datetime.fromtimestamp((NOW_MS + number * 1000) / 1000, UTC).isoformat(),
        "speed": "fast" if number % 10 == 9 else 200.0 if number % 5 == 0 else 60.0,
        "rpm": 2947,
        "engine_temp": 95.8,
        "fuel_level": 33.7,
        "latitude": 52.4,
        "longitude": 13.4,
    }
    return json.dumps(event).encode()


def pressure(number: int) -> bytes:
    """A reading of a sensor; maxima come of it."""
    event = {
        "timestamp": f"2025-07-22 22:30:{number % 60:02}.123Z",
        "pressure": 850_000 + number,
        "temperature": 25.5,
        "sensorId": f"s{number % 3}",
        "vehicleId": "HONDA 231",
    }
    return json.dumps(event).encode()


def environment(site: Secured, service: str, mongo: MongoSettings, folder: Path) -> dict[str, str]:
    """As docker-compose.secure.yml gives it to a service."""
    kafka = site.kafka_of(service)
    given = {
        "BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "SECURITY_PROTOCOL": kafka.security_protocol,
        "SASL_MECHANISM": kafka.sasl_mechanism,
        "SASL_USERNAME": kafka.sasl_username,
        "SASL_PASSWORD": kafka.sasl_password and kafka.sasl_password.get_secret_value(),
        "SSL_CA_LOCATION": kafka.ssl_ca_location,
        "SSL_CERTIFICATE_LOCATION": kafka.ssl_certificate_location,
        "SSL_KEY_LOCATION": kafka.ssl_key_location,
    }
    lake = of_lake(site.lake_of(service)) if site.rights.services[service].store else {}
    return {
        **{f"FLEETLAKE_KAFKA__{name}": str(value) for name, value in given.items()},
        **of_mongo(mongo),
        **lake,
        "FLEETLAKE_DATA_DIR": str(folder / service),
        "FLEETLAKE_GATEWAY__PORT": "0",
        "FLEETLAKE_SERVING__PORT": "0",
    }


@contextmanager
def served(command: str, variables: dict[str, str], log: Path) -> Iterator[httpx.Client]:
    """`fleetlake COMMAND` as a process, once it listens."""
    with (
        log.open("w") as output,
        subprocess.Popen(
            [sys.executable, "-m", "fleetlake.cli", command],
            env={**os.environ, **variables},
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            eventually(
                lambda: LISTENING.search(log.read_text()) is not None or process.poll() is not None, 90
            )
            found = LISTENING.search(log.read_text())
            assert found is not None, log.read_text()
            with httpx.Client(base_url=found[1], timeout=60.0) as client:
                yield client
        finally:
            process.kill()


def test_all_parts_do_their_work_with_the_rights_of_their_own(
    site: Secured, mongo_settings: MongoSettings, tmp_path: Path
) -> None:
    """Events in, rows, state, dead letters and maxima out, answers, upkeep; and the audit finds nothing."""
    topics = {name: each.topics[0] for name, each in site.registry.contracts.items()}
    sending = Producer(site.kafka_of("simulate"))
    for number in range(EVENTS):
        sending.send(topics["car"], b"car", car(number))
        sending.send(topics["pressure"], b"s", pressure(number))
    sending.flush()

    variables = environment(site, "gateway", mongo_settings, tmp_path)
    with served("gateway", variables, tmp_path / "gateway.log") as gateway:
        events, once = [json.loads(car(1))], {"Idempotency-Key": "k"}
        assert gateway.post("/ingest", json=events, headers=once).status_code == 202
        again = gateway.post("/ingest", json=events, headers=once)
        assert again.headers["idempotency-replayed"] == "true"

    ingest = IngestSettings(runtime_dir=tmp_path / "run", commit_seconds=0.2, state_flush_ms=20)
    registry, stop = site.registry, Stop()
    history_run.run(
        site.kafka_of("history"), site.lake_of("history"), ingest, registry, stop=stop, until_caught_up=True
    )
    state_run.run(site.kafka_of("state"), mongo_settings, ingest, registry, stop=stop, until_caught_up=True)
    routes_run.run(site.kafka_of("routes"), ingest, registry, stop=stop, until_caught_up=True)

    assert Bronze(storage(site.lake_of("dagster"))).rows == 2 * EVENTS + 1
    with StateStore(mongo_settings) as store:
        assert store.count() == 5
    ends = Offsets(site.kafka_of("operator")).ends(["car.telemetry.dlq.v1", "vehicle_pressure_max"])
    assert sum(ends.values()) > EVENTS // 10

    variables = environment(site, "api", mongo_settings, tmp_path)
    with served("serve", variables, tmp_path / "api.log") as api:
        assert api.get("/latest", params={"car_id": "CAR_1"}).status_code == 200
        assert api.get("/series/speed", params={"car_id": "CAR_1"}).status_code == 200
        sinks = api.get("/pipeline/health").json()["sinks"]
        assert {sink["sink"]: sink["lag"] for sink in sinks} == {"history": 0, "state": 0, "routes": 0}

    maintain(site.lake_of("dagster"), BRONZE_EVENTS.name)
    dagster = site.kafka_of("dagster"), mongo_settings, site.lake_of("dagster")
    report = audit(*dagster, registry, sample=ALL)
    assert report.is_ok, report.as_json()


def test_history_leaves_a_file_that_it_may_not_delete_and_goes_on(site: Secured) -> None:
    """What it wrote and did not commit: nobody sees it, and a vacuum removes it."""
    bronze = Bronze(storage(site.lake_of("history")))
    before = bronze.rows
    file = bronze.new_file(datetime.now(UTC).date())
    file.write(pa.Table.from_pylist([], schema=FILE_SCHEMA))
    with pytest.raises(OSError, match=r"(?i)access"):
        file.discard()
    bronze.reload()
    assert bronze.rows == before


LESS: dict[str, Callable[[KafkaSettings], dict[str, object]]] = {
    "another password": lambda known: {"sasl_password": SecretStr("wrong")},
    "another's name": lambda known: {"sasl_username": "operator"},
    "no certificate": lambda known: {"ssl_certificate_location": None, "ssl_key_location": None},
    "no TLS": lambda known: {"security_protocol": "PLAINTEXT"},
    "a server of another authority": lambda known: {"ssl_ca_location": known.ssl_certificate_location},
}


@pytest.mark.parametrize("less", LESS)
def test_nobody_comes_in_with_less_than_everything(site: Secured, less: str) -> None:
    """A certificate of ours, and the password that belongs to the name; and they look who the server is."""
    known = site.kafka_of("history")
    wait_ready(known, timeout_s=60.0)
    with pytest.raises(BrokerError):
        wait_ready(known.model_copy(update=LESS[less](known)), timeout_s=ANSWER_S)


def test_a_certificate_alone_gives_no_right(site: Secured) -> None:
    """At the nodes' port who has one is let in without a password, as somebody to whom nothing is granted."""
    known = site.kafka_of("history")
    there = {"bootstrap_servers": site.kafka.nodes_address, "security_protocol": "SSL"}
    admin = Admin(known.model_copy(update={**there, "sasl_mechanism": None, "sasl_username": None}))
    with pytest.raises(AuthorizationFailed):
        admin.describe(["telemetry_raw"])
    _, missing = Admin(known).describe(["telemetry_raw"])
    assert not missing


def test_every_user_of_kafka_may_do_what_rights_say_and_nothing_else(site: Secured) -> None:
    """Each cell of docs/security.md's table is tried, allowed and refused."""
    assert kafka_trial.tried(site) == table.expected_kafka(site.rights)


def test_who_is_granted_once_more_keeps_what_it_had(
    site: Secured, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is new, nothing is removed."""
    site.grant_kafka()
    said = capsys.readouterr().out
    assert "0 of them new" in said
    assert "removed" not in said
