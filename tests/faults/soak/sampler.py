"""What a soak run looks at every few seconds: memory and progress of each sink, files and commits of
bronze, how long people wait for an answer, and what the machine itself gives meanwhile."""

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
from deltalake import DeltaTable

from lake.query import Warehouse
from lake.settings import LakeSettings, S3Settings
from tests.faults.rig.sinks import SINKS, SinkProcess
from tests.faults.rig.site import Site

MIB = 1024**2
RECENT = """
select topic, count(*) as messages, max(kafka_time) as newest
from bronze.events
where ingest_date >= ? and kafka_time > ?
group by all
"""
"""What a screen asks again and again: the last minute, by topic. Files that are older are left out."""

FIXED_WORK = 200_000
"""Turns of an empty loop, a few milliseconds: their processor time is longer where the machine is slower."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. Seconds since the start; memory in MiB; commits and lag in messages; query time in ms."""

    second: float
    memory: dict[str, float]
    lag: dict[str, float]
    commits: dict[str, float]
    commit_ms: dict[str, float | None]
    """Mean time of the commits since the last look."""
    files: int
    versions: int
    query_ms: float
    produced: int
    busy_percent: float
    """Of all processors, since the look before."""
    fixed_work_ms: float
    """Processor time of the same work at each look: what others on the machine take away shows here."""


class Sampler:
    """Looks at one site."""

    def __init__(self, site: Site) -> None:
        self._site, self._began = site, time.monotonic()
        self._commit_seconds: dict[tuple[str, int], tuple[float, float]] = {}
        uri, options = site.lake
        self._table, self._options = f"{uri}/bronze/events", options
        self._warehouse = Warehouse(_settings(uri, options))

    def look(self, produced: int) -> Sample:
        members = {sink: self._site.sinks.of(sink)[0] for sink in SINKS}
        table = DeltaTable(self._table, storage_options=self._options)
        return Sample(
            second=round(time.monotonic() - self._began, 1),
            memory={sink: _memory(member) for sink, member in members.items()},
            lag={sink: member.metric("fleetlake_lag") or 0.0 for sink, member in members.items()},
            commits={
                sink: member.metric("fleetlake_batches_total") or 0.0 for sink, member in members.items()
            },
            commit_ms={sink: self._commit_ms(member) for sink, member in members.items()},
            files=len(table.file_uris()),
            versions=table.version(),
            query_ms=self._query_ms(),
            produced=produced,
            busy_percent=psutil.cpu_percent(),
            fixed_work_ms=_fixed_work_ms(),
        )

    def _commit_ms(self, member: SinkProcess) -> float | None:
        """Mean time of the commits since the last look at this process."""
        count = member.metric("fleetlake_commit_seconds_count")
        total = member.metric("fleetlake_commit_seconds_sum")
        if count is None or total is None or member.pid is None:
            return None
        key = (member.sink, member.pid)
        before_count, before_total = self._commit_seconds.get(key, (0.0, 0.0))
        self._commit_seconds[key] = (count, total)
        commits = count - before_count
        return round((total - before_total) / commits * 1000, 1) if commits > 0 else None

    def _query_ms(self) -> float:
        since = datetime.now(UTC) - timedelta(minutes=1)
        began = time.perf_counter()
        self._warehouse.query(RECENT, [since.date(), since]).table()
        return round((time.perf_counter() - began) * 1000, 1)


def _fixed_work_ms() -> float:
    began = time.thread_time()
    for _ in range(FIXED_WORK):
        pass
    return round((time.thread_time() - began) * 1000, 2)


def as_json(sample: Sample) -> dict[str, Any]:
    return asdict(sample)


def _memory(member: SinkProcess) -> float:
    try:
        return round(psutil.Process(member.pid).memory_info().rss / MIB, 1) if member.pid else 0.0
    except psutil.NoSuchProcess:
        return 0.0


def _settings(uri: str, options: dict[str, str]) -> LakeSettings:
    s3 = S3Settings(
        endpoint_url=options["aws_endpoint_url"],
        access_key_id=options["aws_access_key_id"],
        secret_access_key=options["aws_secret_access_key"],  # type: ignore[arg-type]
    )
    return LakeSettings(uri=uri, s3=s3)
