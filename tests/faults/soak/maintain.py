"""What an operator's schedule does beside ingest: bronze's small files become large ones.
Plain delta-rs, in a process of its own."""

import json
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

from tests.faults.rig.site import Site

EVERY_SECONDS = 120.0
TARGET_BYTES = 128 * 1024 * 1024


class Maintenance:
    """Runs beside a load."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        uri, options = self._site.lake
        words = json.dumps([f"{uri}/bronze/events", options])
        with (self._site.logs / "maintenance.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.soak.maintain", words], stdout=log, stderr=log
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()


def main(uri: str, options: dict[str, str]) -> None:
    """Compacts for ever, one day partition at a time, and says what it did."""
    from deltalake import DeltaTable

    while True:
        time.sleep(EVERY_SECONDS)
        table = DeltaTable(uri, storage_options=options)
        done = table.optimize.compact(target_size=TARGET_BYTES, max_concurrent_tasks=1)
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
