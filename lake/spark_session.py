"""One Spark session per process: in a Java machine of its own, on a cluster, or at a Spark Connect server. It
starts when it is first asked for, which takes some seconds, and ends with the process.

pyspark is imported here and in its neighbours only when Spark is chosen: it is not installed by default.
"""

import socket
import sys
import threading
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from lake.errors import Terminal, Transient, plain
from lake.settings import LakeSettings, SparkSettings
from lake.storage import Storage, storage

ANSWER_S = 5.0
"""What a server may take to accept a connection."""

PORTS = {"spark": 7077, "sc": 15002}
"""Of the addresses that are asked first."""

Session = Any
"""A SparkSession, of either kind: pyspark's two classes have no common one."""

QUERIES = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # as in DuckDB, what cannot be cast is an error and never null
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
"""What the models' SQL relies on, whoever has started the server."""

_lock = threading.Lock()
_started: list[tuple[LakeSettings, Session]] = []


class SparkMissing(Terminal):
    """`engine: spark` is chosen, and pyspark or Delta's jars are not installed.

    Operator action: `make spark`, or FLEETLAKE_LAKE__ENGINE=duckdb.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"Spark cannot run: {what}; `make spark` installs what is needed")


class JavaMissing(Terminal):
    """Spark's Java machine does not start.

    Operator action: install Java 17 or 21; set JAVA_HOME where several are installed.
    """

    def __init__(self) -> None:
        super().__init__(
            "Spark's Java machine does not start: it needs Java 17 or 21 on the PATH or in JAVA_HOME, "
            "and the memory of FLEETLAKE_LAKE__SPARK__MEMORY"
        )


class SparkUnavailable(Transient):
    """Spark's master or Connect server does not answer, or has gone meanwhile.

    Operator action: start it, or correct FLEETLAKE_LAKE__SPARK__MASTER or FLEETLAKE_LAKE__SPARK__REMOTE; what
    was under way is done again, nothing is there by half.
    """

    def __init__(self, address: str, problem: str) -> None:
        self.address, self.problem = address, problem
        super().__init__(f"Spark at {address} is not available: {problem}")


def missing(spark: SparkSettings) -> str | None:
    """What `make spark` has yet to install."""
    if find_spec("pyspark") is None:
        return "pyspark is not installed"
    if spark.remote is None and not any(spark.jars.glob("delta-spark_*.jar")):
        return f"there are no jars of Delta in {spark.jars}"
    return None


def session(settings: LakeSettings) -> Session:
    """The session of this process. Raises SparkMissing, JavaMissing, SparkUnavailable."""
    with _lock:
        for started_with, started in _started:
            if started_with.spark == settings.spark and started_with.s3 == settings.s3:
                return started
        close_all()
        started = _start(settings)
        _started.append((settings, started))
        return started


def close_all() -> None:
    """Ends the session of this process; the next that is asked for is another."""
    while _started:
        _started.pop()[1].stop()


def _start(settings: LakeSettings) -> Session:
    spark = settings.spark
    absent = missing(spark)
    if absent is not None:
        raise SparkMissing(absent)
    _require_answer(spark.remote or spark.master)
    started = _connected(spark) if spark.remote else _of_own(settings)
    ours = {**QUERIES, **_s3(storage(settings))}
    given = {name: value for name, value in spark.conf.items() if spark.remote or name in ours}
    for name, value in {**ours, **given}.items():
        started.conf.set(name, value)
    return started


def _connected(spark: SparkSettings) -> Session:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        return SparkSession.builder.remote(spark.remote).getOrCreate()
    except (PySparkException, OSError) as error:
        raise SparkUnavailable(str(spark.remote), plain(error)) from error


def _of_own(settings: LakeSettings) -> Session:
    """A session whose driver is this process's own Java machine."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(settings.spark.master).appName("fleetlake")
    for name, value in {**_machine(settings), **settings.spark.conf}.items():
        builder = builder.config(name, value)
    try:
        started = builder.getOrCreate()
    except PySparkRuntimeError as error:
        if error.getCondition() == "JAVA_GATEWAY_EXITED":
            raise JavaMissing from error
        raise
    except Exception as error:  # Py4JJavaError, from a package that may not be installed
        raise SparkUnavailable(settings.spark.master, plain(error).partition(" at ")[0]) from error
    if settings.spark.master.startswith("local"):
        started.sparkContext.pythonExec = (
            sys.executable
        )  # of functions in Python; its own default is any python3
    return started


def _machine(settings: LakeSettings) -> dict[str, str]:
    spark, temporary = settings.spark, settings.query.temp_dir
    jars = sorted(str(jar.resolve()) for jar in spark.jars.glob("*.jar"))
    quiet = spark.jars.parent / "log4j2.properties"
    java = [
        "-Duser.timezone=UTC",
        *([f"-Dlog4j2.configurationFile={quiet.resolve()}"] if quiet.exists() else []),
    ]
    return {
        "spark.driver.extraJavaOptions": " ".join(java),
        "spark.driver.memory": spark.memory,
        "spark.jars": ",".join(jars),
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **({} if temporary is None else {"spark.local.dir": str(temporary)}),
        **(_ON_THIS_MACHINE if spark.master.startswith("local") else {}),
    }


_ON_THIS_MACHINE = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
}


def _s3(store: Storage) -> dict[str, str]:
    """The lake's credential as Hadoop's S3 client wants it."""
    if not store.locations.is_s3:
        return {}
    s3 = store.s3
    found = {
        "endpoint": s3.endpoint_url,
        "endpoint.region": s3.region,
        "path.style.access": str(s3.path_style).lower(),
        "connection.ssl.enabled": str(not (s3.endpoint_url or "").startswith("http://")).lower(),
        "access.key": s3.access_key_id,
        "secret.key": s3.secret_access_key and s3.secret_access_key.get_secret_value(),
        "session.token": s3.session_token and s3.session_token.get_secret_value(),
    }
    return {f"fs.s3a.{name}": value for name, value in found.items() if value}


def _require_answer(address: str) -> None:
    """SparkUnavailable where nobody listens: Spark itself would go on asking for minutes. Of several masters
    one is enough."""
    scheme, separator, servers = address.partition("://")
    if not separator or scheme not in PORTS:
        return  # Spark's own affair: this machine, or a cluster that is not asked by its address
    problem = ""
    for server in servers.split(","):
        split = urlsplit(f"{scheme}://{server}")
        try:
            socket.create_connection((split.hostname or "", split.port or PORTS[scheme]), ANSWER_S).close()
        except (OSError, ValueError) as error:
            problem = str(error)
        else:
            return
    raise SparkUnavailable(address, problem)
