"""Real servers, started once per test run on free loopback ports, and the folders tests write to."""

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import settings

from broker.settings import KafkaSettings
from fleetlake.stack.embedded import start_kafka, start_mongo
from fleetlake.stack.server import LOOPBACK, Server, free_port, owns_port, spawn
from lake.mongo import open_client
from lake.settings import LakeSettings, MongoSettings, S3Settings
from tests.real_services import (
    REAL,
    Real,
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_configure_node,
    pytest_unconfigure,
)
from tests.servers import EmbeddedKafka, Kafka

__all__ = [  # pytest finds its hooks by name
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_unconfigure",
]

# Processes that most tests of the stack have no use for; those that have say so.
os.environ.setdefault("FLEETLAKE_DAGSTER__IN_STACK", "false")
os.environ.setdefault("FLEETLAKE_HTTP__IN_STACK", "false")

S3_START_SECONDS = 90.0

settings.register_profile("fleetlake", deadline=None)  # how long an example takes depends on the machine
settings.load_profile("fleetlake")


@pytest.fixture(scope="session")
def real(pytestconfig: pytest.Config) -> Real:
    """The real services of the run, where it has some."""
    return pytestconfig.stash[REAL]


@pytest.fixture(scope="session")
def kafka(real: Real, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of the run's broker."""
    if real.kafka is not None:
        yield real.kafka
        return
    with ExitStack() as stack:
        server = start_kafka(tmp_path_factory.mktemp("kafka"))
        stack.callback(server.stop)
        yield server.address


@pytest.fixture
def own_kafka(real: Real, tmp_path: Path) -> Iterator[EmbeddedKafka | Kafka]:
    """A broker of the test's own, to be stopped and killed. It runs already."""
    folder = tmp_path / "own-kafka"
    broker = EmbeddedKafka(folder) if real.kafka is None else Kafka(folder)
    with ExitStack() as stack:
        stack.callback(broker.stop)
        broker.start()
        yield broker


@pytest.fixture
def incarnation_file(real: Real, tmp_path: Path) -> Path | None:
    """The id of the embedded broker's life; a real one has ids of its own for topics."""
    if real.kafka is not None:
        return None
    file = tmp_path / "incarnation"
    file.write_text(uuid.uuid4().hex)
    return file


@pytest.fixture
def group_protocol() -> Literal["classic", "consumer"]:
    """How members of a group share partitions; `both_protocols` runs a test with either."""
    return "classic"


@pytest.fixture
def kafka_settings(
    kafka: str, incarnation_file: Path | None, group_protocol: Literal["classic", "consumer"]
) -> KafkaSettings:
    """Settings for the run's broker, with consumer groups of the test's own."""
    return KafkaSettings(
        bootstrap_servers=kafka,
        group_prefix=f"t{uuid.uuid4().hex[:8]}",
        group_protocol=group_protocol,
        incarnation_file=incarnation_file,
    )


@pytest.fixture
def own_kafka_settings(own_kafka: EmbeddedKafka | Kafka, kafka_settings: KafkaSettings) -> KafkaSettings:
    """Settings for the broker of the test's own."""
    return kafka_settings.model_copy(update={"bootstrap_servers": own_kafka.address})


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded MongoDB-compatible server."""
    with ExitStack() as stack:
        server = start_mongo(tmp_path_factory.mktemp("mongo"))
        stack.callback(server.stop)
        yield server


@pytest.fixture
def mongo_uri(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> str:
    """Address of the run's MongoDB."""
    given = pytestconfig.getoption("--mongo-uri")
    if given:
        return str(given)
    server: Server = request.getfixturevalue("mongo_server")
    return f"mongodb://{server.address}/?directConnection=true"


@pytest.fixture
def mongo_settings(mongo_uri: str, pytestconfig: pytest.Config) -> Iterator[MongoSettings]:
    """Settings for the run's MongoDB, with a database of the test's own; one that stays is left clean."""
    settings = MongoSettings(uri=mongo_uri, database=f"t{uuid.uuid4().hex[:12]}")
    yield settings
    if pytestconfig.getoption("--mongo-uri"):
        with open_client(settings) as client:
            client.drop_database(settings.database)


@pytest.fixture
def lake_settings(real: Real, tmp_path: Path) -> LakeSettings:
    """A lake of the test's own: in a local folder, or in the run's MinIO."""
    return real.lake() or LakeSettings(uri=str(tmp_path / "lake"))


@pytest.fixture
def topic_name() -> str:
    """A topic name no other test uses."""
    return f"topic-{uuid.uuid4().hex[:10]}"


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 server, for tests of the S3 paths. In a process of its own: delta-rs may hold this one's
    interpreter while it waits for an answer."""
    folder, port = tmp_path_factory.mktemp("s3"), free_port()
    command = [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)]
    with ExitStack() as stack:
        server = spawn("s3", command, folder, port, folder / "s3.log", with_parent=True)
        stack.callback(server.stop)
        server.wait_ready(owns_port, S3_START_SECONDS)
        yield f"http://{server.address}"


@pytest.fixture
def s3_lake_settings(real: Real, request: pytest.FixtureRequest) -> LakeSettings:
    """A lake of the test's own in a bucket of the run's S3 server."""
    lake = real.lake()
    if lake is not None:
        return lake
    endpoint = str(request.getfixturevalue("s3_endpoint"))
    s3 = S3Settings(endpoint_url=endpoint, access_key_id="test", secret_access_key="test")  # noqa: S106
    return LakeSettings(uri=f"s3://lake-{uuid.uuid4().hex[:10]}/fleet", s3=s3)
