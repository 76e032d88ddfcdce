"""Real servers, started once per test run on free loopback ports, and the folders tests write to."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from broker.settings import KafkaSettings
from fleetlake.stack.embedded import Server, start_kafka, start_mongo
from lake.settings import LakeSettings, MongoSettings, S3Settings

settings.register_profile("fleetlake", deadline=None)  # how long an example takes depends on the machine
settings.load_profile("fleetlake")


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded broker."""
    with ExitStack() as stack:
        server = start_kafka(tmp_path_factory.mktemp("kafka"))
        stack.callback(server.stop)
        yield server


@pytest.fixture
def kafka(kafka_server: Server) -> str:
    """Bootstrap address of the run's broker."""
    return kafka_server.address


@pytest.fixture
def kafka_settings(kafka: str, tmp_path: Path) -> KafkaSettings:
    """Settings for the run's broker, with consumer groups and an incarnation of the test's own."""
    incarnation = tmp_path / "incarnation"
    incarnation.write_text(uuid.uuid4().hex)
    return KafkaSettings(
        bootstrap_servers=kafka, group_prefix=f"t{uuid.uuid4().hex[:8]}", incarnation_file=incarnation
    )


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded MongoDB-compatible server."""
    with ExitStack() as stack:
        server = start_mongo(tmp_path_factory.mktemp("mongo"))
        stack.callback(server.stop)
        yield server


@pytest.fixture
def mongo_uri(mongo_server: Server) -> str:
    """Address of the run's MongoDB."""
    return f"mongodb://{mongo_server.address}/?directConnection=true"


@pytest.fixture
def mongo_settings(mongo_uri: str) -> MongoSettings:
    """Settings for the run's MongoDB, with a database of the test's own."""
    return MongoSettings(uri=mongo_uri, database=f"t{uuid.uuid4().hex[:12]}")


@pytest.fixture
def lake_settings(tmp_path: Path) -> LakeSettings:
    """A lake of the test's own in a local folder."""
    return LakeSettings(uri=str(tmp_path / "lake"))


@pytest.fixture
def topic_name() -> str:
    """A topic name no other test uses."""
    return f"topic-{uuid.uuid4().hex[:10]}"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 server in this process, for tests of the S3 paths."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_lake_settings(s3_endpoint: str) -> LakeSettings:
    """A lake of the test's own in a bucket of the run's S3 server."""
    s3 = S3Settings(endpoint_url=s3_endpoint, access_key_id="test", secret_access_key="test")  # noqa: S106
    return LakeSettings(uri=f"s3://lake-{uuid.uuid4().hex[:10]}/fleet", s3=s3)
