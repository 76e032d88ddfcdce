"""The servers that a rehearsal runs on, in place of their images: Apache Kafka and MinIO as `make
real-services` builds them, the embedded MongoDB with authentication, and PostgreSQL where this machine has
it."""

import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from fleetlake.settings import DEFAULT_SERVICES_DIR
from fleetlake.stack.embedded import spawn_mongo
from fleetlake.stack.kafka_node import Cluster, Node, spawn_node
from fleetlake.stack.minio import Keys, answers_s3, own_keys, spawn_minio
from fleetlake.stack.server import (
    LOOPBACK,
    Server,
    answers_kafka,
    free_port,
    owns_port,
    wait_until,
)
from fleetlake.stack.services import Services
from lake.mongo import open_client
from lake.settings import MongoSettings

START_SECONDS = 90.0
HEAP_MIB = 512
DATABASE_USERS = ("postgres", "nobody")
"""PostgreSQL does not run as root; one of these does it then."""

WORDS = {"replicaSet=rs0": "replicaSet=secantus"}
"""The embedded MongoDB is a set of one by itself, of this name."""


@contextmanager
def servers(folder: Path, secrets: Mapping[str, str], *, with_postgres: bool) -> Iterator[dict[str, str]]:
    """host:port as docker-compose.yml has them, and where they are. All end with the block."""
    services = Services(DEFAULT_SERVICES_DIR)
    with ExitStack() as stack:
        node = Node(1, free_port(), free_port(), folder / "kafka")
        kafka = spawn_node(services, Cluster([node], HEAP_MIB), node, folder / "kafka.log", with_parent=True)
        stack.callback(kafka.stop)
        minio = _minio(services, folder / "minio", secrets["MINIO_PASSWORD"])
        stack.callback(minio.stop)
        mongo = _mongo(folder / "mongo", secrets["MONGO_ROOT_PASSWORD"])
        stack.callback(mongo.stop)
        found = {"kafka:9092": kafka.address, "minio:9000": minio.address, "mongo:27017": mongo.address}
        if with_postgres:
            found["dagster-db:5432"] = stack.enter_context(
                _postgres(folder / "postgres", "dagster", secrets["DAGSTER_DB_PASSWORD"])
            )
        minio.wait_ready(answers_s3, START_SECONDS)
        kafka.wait_ready(answers_kafka, START_SECONDS)
        yield found


def postgres_missing() -> str | None:
    """What is not there for Dagster's memory; None where all is."""
    if _postgres_folder() is None:
        return "PostgreSQL is not on this machine"
    if find_spec("dagster_postgres") is None:
        return "dagster-postgres is not installed (`make rehearse` does it)"
    return None


def _minio(services: Services, folder: Path, password: str) -> Server:
    """With the credential of the file."""
    own_keys(folder).write_text(json.dumps(asdict(Keys("fleetlake", password))))
    return spawn_minio(services, folder, free_port(), folder / "minio.log", with_parent=True)


def _mongo(folder: Path, password: str) -> Server:
    """With an administrator, who is made before it lets nobody in without a password: as its image does."""
    port, log = free_port(), folder / "mongo.log"
    first = spawn_mongo(folder, port, log, with_parent=True, options=[])
    first.wait_ready(owns_port, START_SECONDS)
    open_to_all = MongoSettings(uri=f"mongodb://{first.address}/?directConnection=true")
    with open_client(open_to_all) as client:
        client.admin.command("createUser", "root", pwd=password, roles=["root"])
    first.stop()
    server = spawn_mongo(folder, port, log, with_parent=True, options=["--auth"])
    server.wait_ready(owns_port, START_SECONDS)
    return server


@contextmanager
def _postgres(folder: Path, name: str, password: str) -> Iterator[str]:
    """A database, and its owner of the same name."""
    programs = _postgres_folder()
    assert programs is not None  # noqa: S101 - asked before
    user = next((each for each in DATABASE_USERS if _is_user(each)), None) if os.geteuid() == 0 else None
    folder.mkdir(parents=True)
    (folder / "password").write_text(password)
    if user is not None:
        for path in (folder, folder / "password"):
            shutil.chown(path, user)
    data, port = folder / "data", free_port()

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / program), *arguments],
            user=user,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PGPASSWORD": password, "LANG": "C.UTF-8"},
            check=True,
            capture_output=True,
            text=True,
        )

    run("initdb", "-D", str(data), "-U", name, "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
    with (folder / "postgres.log").open("w") as log:
        server = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), "-h", LOOPBACK, "-p", str(port), "-k", str(folder)],
            user=user,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        asked = [str(programs / "pg_isready"), "-h", LOOPBACK, "-p", str(port)]
        is_ready = wait_until(
            lambda: subprocess.run(asked, capture_output=True, check=False).returncode == 0,
            START_SECONDS,
        )
        if not is_ready:
            problem = f"PostgreSQL does not answer; its log is {folder / 'postgres.log'}"
            raise TimeoutError(problem)
        run("createdb", "-h", LOOPBACK, "-p", str(port), "-U", name, name)
        yield f"{LOOPBACK}:{port}"
    finally:
        server.terminate()
        server.wait()


def _postgres_folder() -> Path | None:
    """The folder of PostgreSQL's programs: on the PATH, or where Debian has them."""
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    needed = ("initdb", "postgres", "pg_isready", "createdb")
    return next((each for each in candidates if all((each / name).exists() for name in needed)), None)


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
