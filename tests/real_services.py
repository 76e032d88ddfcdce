"""Which Kafka and which store the tests run on: `--kafka real --store minio` runs the same tests on Apache
Kafka and MinIO, started once for the whole run and shared by its processes. A real MongoDB is one that runs
already: `--mongo-uri mongodb://...`.

Where a real service is not built, its tests are skipped;
FLEETLAKE_REQUIRE=kafka,minio,jdbc,spark,prometheus,compose,browser makes that a failure (jdbc: DuckDB's
driver, with a Java machine; spark: pyspark, and Delta's jars; prometheus: it and Alertmanager, with their
checkers; compose: Docker Compose, or its reader of files; browser: Chromium, and axe).
"""

import os
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fleetlake.settings import DEFAULT_SERVICES_DIR
from fleetlake.stack.minio import own_keys, read_keys
from fleetlake.stack.services import KAFKA, MINIO, ServiceNotBuilt, Services
from lake.settings import LakeSettings, S3Settings, SparkSettings
from lake.spark_session import missing
from tests.servers import Kafka, Minio

KINDS = {
    "embedded_kafka": ("kafka", "embedded"),
    "real_kafka": ("kafka", "real"),
    "local_lake": ("store", "folder"),
    "real_store": ("store", "minio"),
    "embedded_mongo": ("mongo", "embedded"),
    "real_mongo": ("mongo", "real"),
}
"""Markers of tests that make sense on one kind of server only."""

NAMES = {KAFKA: "kafka", MINIO: "minio"}
"""As FLEETLAKE_REQUIRE names them."""

SERVERS = frozenset({"real", "kafka", "own_kafka", "lake_settings", "s3_lake_settings"})
"""Fixtures that depend on the kind. A test without any of them runs once, with the embedded ones."""

both_protocols = pytest.mark.parametrize(
    "group_protocol", ["classic", pytest.param("consumer", marks=pytest.mark.real_kafka)]
)
"""Runs a test with each protocol of consumer groups that the broker has."""


@dataclass(frozen=True)
class Real:
    """Addresses of the real services of this run; None where the embedded ones are used."""

    kafka: str | None = None
    s3: str | None = None
    s3_key: str | None = None
    s3_secret: str | None = None

    def lake(self) -> LakeSettings | None:
        """A lake in a bucket of its own."""
        if self.s3 is None:
            return None
        s3 = S3Settings(endpoint_url=self.s3, access_key_id=self.s3_key, secret_access_key=self.s3_secret)
        return LakeSettings(uri=f"s3://lake-{uuid.uuid4().hex[:12]}/fleet", s3=s3)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The kinds to run on."""
    parser.addoption("--kafka", choices=["embedded", "real"], default="embedded")
    parser.addoption("--store", choices=["folder", "minio"], default="folder")
    parser.addoption("--mongo-uri", help="of a MongoDB to test on; default: the embedded server")


REAL = pytest.StashKey[Real]()
MISSING = pytest.StashKey[str]()
REQUIRED = pytest.StashKey[list[str]]()
STARTED = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    """Starts what is asked for, in the run's first process; its workers are told the addresses."""
    given = getattr(config, "workerinput", None)
    if given is not None:
        config.stash[REAL] = Real(**given["real"])
        config.stash[REQUIRED] = given["required"]
        if given["missing"]:
            config.stash[MISSING] = given["missing"]
        return
    config.stash[STARTED] = started = ExitStack()
    required = os.environ.pop("FLEETLAKE_REQUIRE", "").split(
        ","
    )  # no setting: commands would name it as wrong
    services = Services(DEFAULT_SERVICES_DIR)
    config.stash[REQUIRED] = required
    config.stash[REAL] = Real()
    try:
        config.stash[REAL] = _start(config, services, started)
    except ServiceNotBuilt as error:
        if NAMES[error.name] in required:
            pytest.exit(str(error), returncode=1)
        config.stash[MISSING] = str(error)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends what was started."""
    if STARTED in config.stash:
        config.stash[STARTED].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker process the addresses."""
    config = node.config
    node.workerinput["real"] = asdict(config.stash[REAL])
    node.workerinput["missing"] = config.stash.get(MISSING, None)
    node.workerinput["required"] = config.stash[REQUIRED]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what belongs to the other kind of server, and on real ones what would be the same again."""
    kept, left = [], []
    is_real = config.getoption("--kafka") == "real" or config.getoption("--store") == "minio"
    for item in items:
        fits = _belongs(config, item) and (not is_real or _may_differ(item))
        (kept if fits else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept
    _require_spark(config, [item for item in items if item.get_closest_marker("spark")])
    if MISSING in config.stash:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=config.stash[MISSING]))


def _require_spark(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips them where Spark is not installed, or ends the run where it has to be."""
    absent = missing(SparkSettings()) if items else None
    if absent is None:
        return
    reason = f"{absent}: make spark"
    if "spark" in config.stash[REQUIRED]:
        pytest.exit(reason, returncode=1)
    for item in items:
        item.add_marker(pytest.mark.skip(reason=reason))


def _belongs(config: pytest.Config, item: pytest.Item) -> bool:
    return all(
        _kind(config, option) == kind
        for marker, (option, kind) in KINDS.items()
        if item.get_closest_marker(marker)
    )


def _may_differ(item: pytest.Item) -> bool:
    """Whether the test uses a server of the run, or says that it needs a real one."""
    fixtures: Sequence[str] = getattr(item, "fixturenames", ())
    return not SERVERS.isdisjoint(fixtures) or any(item.get_closest_marker(marker) for marker in KINDS)


def _kind(config: pytest.Config, service: str) -> str:
    if service == "mongo":
        return "real" if config.getoption("--mongo-uri") else "embedded"
    return str(config.getoption(service))


def _start(config: pytest.Config, services: Services, started: ExitStack) -> Real:
    folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="fleetlake-real-")))
    real = Real()
    if config.getoption("--kafka") == "real":
        kafka = Kafka(folder / "kafka", services)
        started.callback(kafka.stop)
        kafka.start()
        real = replace(real, kafka=kafka.address)
    if config.getoption("--store") == "minio":
        minio = Minio(folder / "minio", services)
        started.callback(minio.stop)
        minio.start()
        keys = read_keys(own_keys(folder / "minio"))
        real = replace(real, s3=minio.url, s3_key=keys.access_key_id, s3_secret=keys.secret_access_key)
    return real
