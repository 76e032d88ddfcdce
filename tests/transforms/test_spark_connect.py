"""The same by Spark Connect: no Java in this process, and a server that does the work."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from lake.settings import SPARK_JARS, LakeSettings
from tests.transforms.small_lake import Lake, speed
from tests.transforms.spark_lake import SPARK, runs_spark

pytestmark = runs_spark

ROOT = Path(__file__).parents[2]
SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
MAKES = """
import json, sys
from contracts.load import load_registry
from lake.settings import LakeSettings
from lake.silver import Lane
from transforms.build import Marts, build
from transforms.increment import increment
from transforms.load import load_models
from transforms.reference import reference
from transforms.settings import TransformSettings
settings, models = LakeSettings.model_validate_json(sys.argv[1]), load_models()
marts = Marts(settings, models, reference(load_registry()), TransformSettings())
added = [increment(settings, models["silver.signals"], lane).added for lane in Lane]
print(json.dumps([added, dict(build(marts, models["gold.signal_minute"]).rows)]))
"""


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a Connect server with Delta."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    conf = {
        **SPARK.conf,
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.jars": ",".join(map(str, SPARK_JARS.resolve().glob("delta-*.jar"))),
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.ui.enabled": "false",
    }
    spec = find_spec("pyspark")
    assert spec is not None
    assert spec.origin is not None
    submit = Path(spec.origin).parent / "bin" / "spark-submit"
    options = [part for name, value in conf.items() for part in ("--conf", f"{name}={value}")]
    started = subprocess.Popen(
        [
            submit,
            "--master",
            "local[2]",
            "--driver-memory",
            "1g",
            "--class",
            SERVER,
            *options,
            "spark-internal",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, started)
        yield f"sc://127.0.0.1:{port}"
    finally:
        started.kill()
        started.wait()


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.2)
    pytest.fail("the Connect server did not come up")


@pytest.mark.local_lake
def test_a_connect_server_makes_silver_and_a_mart(server: str, lake_settings: LakeSettings) -> None:
    """DuckDB finds its rows, and goes on."""
    lake = Lake(lake_settings)
    lake.land([speed(1)], [speed(2, days_before=5)])
    settings = lake_settings.model_dump(mode="json") | {"engine": "spark", "spark": {"remote": server}}
    made = subprocess.run(
        [sys.executable, "-c", MAKES, json.dumps(settings)], cwd=ROOT, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout) == [[1, 1], {"2026-03-05": 1, "2026-03-10": 1}]
    assert lake.increment() == [0, 0]
    assert lake.silver("value") == [(1,), (2,)]
