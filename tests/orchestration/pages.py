"""Dagster's pages over a small lake: a week of drives, their trips, and one made too fast by hand."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from contracts.load import load_registry
from fleetlake.stack.server import LOOPBACK, free_port, wait_until
from lake.settings import LakeSettings
from lake.storage import storage
from orchestration.assets import key_of
from orchestration.definitions import definitions
from orchestration.home import HOME_VARIABLE
from orchestration.instance import instance
from orchestration.materialize import Request, run
from orchestration.proofs import Proof, Proofs
from orchestration.settings import OrchestrationSettings
from orchestration.store_checks import BRONZE, EQUAL, OFFSETS, STATE
from tests.environment import of_lake
from tests.orchestration.evaluating import evaluate
from tests.transforms.small_lake import Lake, Reading
from transforms.arrivals import ARRIVALS
from transforms.build import Marts
from transforms.load import load_models
from transforms.reference import reference
from transforms.settings import TransformSettings

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
NOON = datetime(YESTERDAY.year, YESTERDAY.month, YESTERDAY.day, 12, tzinfo=UTC)
DAYS = 8
START_SECONDS = 240.0
"""Beside other tests: the webserver loads the code in a process of its own."""


def drives() -> Iterator[list[Reading]]:
    """One a day of each of two vehicles, some longer than others; and a reading of 1971."""
    for back in range(DAYS):
        for vehicle, begin in (("V1", NOON), ("V2", NOON - timedelta(hours=3))):
            for minute in range(10 + (back * 7) % 23):
                time = begin - timedelta(days=back) + timedelta(minutes=minute)
                yield [(vehicle, "speed", time, 40.0 + minute), (vehicle, "soc", time, 90 - minute / 2)]
    yield [("V3", "speed", datetime(1971, 5, 1, tzinfo=UTC), 3.0)]


def fill(settings: LakeSettings, home: Path) -> None:
    """Builds trips through Dagster, then plants the fault and evaluates its check."""
    lake = Lake(settings)
    lake.land(*drives(), at=NOON)
    marts = Marts(settings, load_models(), reference(load_registry()), TransformSettings())
    proven = Proof("everything")
    code = definitions(marts, OrchestrationSettings(), proofs=Proofs(lambda: proven, lambda: proven))
    with instance(home) as dagster:
        assert run(code, dagster, Request(["silver.signals"])).problems == []
        first, last = ((NOON - timedelta(days=back)).date().isoformat() for back in (DAYS - 1, 0))
        assert run(code, dagster, Request(["gold.trips"], first, last)).problems == []
        plant(DeltaTable(storage(settings).table("gold.trips")))
        checks = [(BRONZE, each.name) for each in (*ARRIVALS, OFFSETS)]
        evaluate(code, dagster, *checks, (STATE, EQUAL.name), (key_of("gold.trips"), "possible_average"))


def plant(trips: DeltaTable) -> None:
    """A trip whose average is above its top speed."""
    (trip, *_) = trips.to_pyarrow_table().to_pylist()
    wrong = trip | {"vehicle_id": "planted", "average_speed_kmh": 300.0, "top_speed_kmh": 50.0}
    write_deltalake(trips, pa.Table.from_pylist([wrong], pa.schema(trips.schema().to_arrow())), mode="append")


@contextmanager
def pages(settings: LakeSettings, home: Path, log: Path) -> Iterator[str]:
    """The webserver's address; it ends with the block, and with it the process that has loaded the code."""
    port = free_port()
    address = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "dagster_webserver", "--host", LOOPBACK, "--port", str(port)]
    environment = os.environ | of_lake(settings) | {HOME_VARIABLE: str(home), "FLEETLAKE_DATA_DIR": str(home)}
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "-m", "fleetlake.dagster_code"], env=environment, stdout=output, stderr=output
        )
    try:
        assert wait_until(lambda: answers(f"{address}/server_info"), START_SECONDS), log.read_text()[-3000:]
        yield address
    finally:
        server.terminate()
        server.wait(60)


def answers(url: str) -> bool:
    """Whether a page is there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - the test's own server
            return bool(response.status == 200)
    except OSError:
        return False
