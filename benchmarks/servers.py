"""The servers of a benchmark, on loopback and of its own: embedded, or Apache Kafka and MinIO."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleetlake.settings import DEFAULT_SERVICES_DIR
from fleetlake.stack.embedded import start_kafka, start_mongo
from fleetlake.stack.kafka_node import Cluster, Node, spawn_node
from fleetlake.stack.minio import answers_s3, own_keys, read_keys, spawn_minio
from fleetlake.stack.server import answers_kafka, free_port
from fleetlake.stack.services import Services
from lake.settings import LakeSettings, S3Settings

START_SECONDS = 90.0
REAL = "real"


@contextmanager
def broker(address: str | None, scratch: Path) -> Iterator[str]:
    """The address given; or Apache Kafka; or an embedded broker of our own that writes no snapshots: one of
    them costs as much as reading the log, and would be charged to whoever runs at the time."""
    if address == REAL:
        yield from _real_broker(scratch / "kafka")
    elif address:
        yield address
    else:
        yield from _embedded_broker(scratch / "kafka")


def _real_broker(folder: Path) -> Iterator[str]:
    node = Node(1, free_port(), free_port(), folder)
    server = spawn_node(
        Services(DEFAULT_SERVICES_DIR), Cluster([node]), node, folder / "kafka.log", with_parent=True
    )
    try:
        server.wait_ready(answers_kafka, START_SECONDS)
        yield server.address
    finally:
        server.stop()


def _embedded_broker(folder: Path) -> Iterator[str]:
    (folder / "kafka.tmp").mkdir(parents=True)  # its snapshot's draft cannot be written over a folder
    server = start_kafka(folder)
    try:
        yield server.address
    finally:
        server.kill()


@contextmanager
def database(scratch: Path) -> Iterator[str]:
    """The address of an embedded MongoDB of our own."""
    server = start_mongo(scratch / "mongo")
    try:
        yield f"mongodb://{server.address}/?directConnection=true"
    finally:
        server.stop()


@contextmanager
def store(kind: str, scratch: Path) -> Iterator[LakeSettings]:
    """A lake in a folder, or in a MinIO of our own; its name is put behind the address by whoever uses it."""
    if kind == "folder":
        yield LakeSettings(uri=str(scratch / "lakes"))
        return
    folder = scratch / "minio"
    server = spawn_minio(
        Services(DEFAULT_SERVICES_DIR), folder, free_port(), folder / "minio.log", with_parent=True
    )
    try:
        server.wait_ready(answers_s3, START_SECONDS)
        keys = read_keys(own_keys(folder))
        s3 = S3Settings(
            endpoint_url=f"http://{server.address}",
            access_key_id=keys.access_key_id,
            secret_access_key=keys.secret_access_key,
        )
        yield LakeSettings(uri="s3://benchmark", s3=s3)
    finally:
        server.stop()
