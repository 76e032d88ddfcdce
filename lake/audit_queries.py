"""What bronze holds of every Kafka partition, asked of one version of the table: first and last offset,
holes, coordinates that stand there twice, checksums. For `fleetlake audit`, which asks Kafka the same.

Offsets are sorted once, out of memory where needed, and only the places where one does not follow the other
are kept: an answer costs memory for breaks, not for rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from lake.bronze_passed import Passed
from lake.duck import BATCH_ROWS, connection, failure, scan
from lake.schemas import BRONZE_EVENTS
from lake.settings import LakeSettings
from lake.storage import storage

PARTITIONS = """
create table partitions as
with grouped as (
    select
        topic_id,
        min(topic) as topic,
        partition,
        min("offset") as first,
        max("offset") as last,
        count(*) as rows
    from events
    group by topic_id, partition
)
select row_number() over (order by topic_id, topic, partition)::integer as id, *
from grouped
"""

BREAKS = """
create table breaks as
select id, "offset", "offset" - lag("offset") over (partition by id order by "offset") as step
from events join partitions using (topic_id, partition)
qualify step <> 1
"""

SUMMARIES = """
select
    topic_id,
    topic,
    partition,
    first,
    last,
    rows,
    coalesce(sum(step - 1) filter (where step > 1), 0)::bigint as missing,
    count(*) filter (where step = 0) as doubled
from partitions left join breaks using (id)
group by all
order by topic, partition, topic_id
"""

GAPS = """
select topic_id, topic, partition, "offset" - step + 1 as first, "offset" - 1 as last
from breaks join partitions using (id)
where step > 1
order by topic, partition, topic_id, first
"""

DOUBLED = """
select topic_id, topic, partition, "offset", count(*) + 1 as copies
from breaks join partitions using (id)
where step = 0
group by all
order by topic, partition, topic_id, "offset"
"""

PAYLOADS = """
select "offset", octet_length(payload) as size, sha256(payload) as sha256, key
from events
where topic_id = ? and topic = ? and partition = ? and "offset" between ? and ?
order by "offset"
"""

REJECTED = """
select
    topic_id,
    partition,
    "offset",
    epoch_ms(coalesce(kafka_time, ingest_time)) as kafka_ms,
    left(sha256(payload), 16) as digest
from events
where topic = ? and error is not null
"""

ROWS_AT = """
select partition, "offset", topic_id, error, contract_hash
from events join (select unnest(?::integer[]) as partition, unnest(?::bigint[]) as "offset")
using (partition, "offset")
where topic = ?
order by partition, "offset", topic_id
"""

CONTRACTS = """
select
    source,
    contract_hash,
    count(*) as rows,
    epoch_us(min(ingest_time)) as first_us,
    epoch_us(max(ingest_time)) as last_us
from events
where contract_hash is not null
group by all
order by source, first_us
"""


LANDED_SINCE = """
create view events as
select landed.*
from {events} as landed left join passed using (topic_id, partition)
where ingest_date >= (select first_day from landed_from) and "offset" >= coalesce(next_offset, 0)
"""

AGAIN = """
select topic_id, topic, partition, min("offset") as first, max("offset") as last, count(*) as rows
from {events} join passed using (topic_id, partition)
where ingest_date > ? and "offset" < next_offset
group by topic_id, topic, partition
order by topic, partition, topic_id
"""


class LandedPartition(NamedTuple):
    """One partition of one life of a topic: rows in bronze, offsets between first and last that are not
    there, and rows beyond the first at one coordinate."""

    topic_id: str
    topic: str
    partition: int
    first: int
    last: int
    rows: int
    missing: int
    doubled: int


class Gap(NamedTuple):
    """Offsets `first` to `last`, both included, that have no row between two that have one."""

    topic_id: str
    topic: str
    partition: int
    first: int
    last: int


class Again(NamedTuple):
    """Rows at offsets that history had passed days before they were landed: `first` to `last`."""

    topic_id: str
    topic: str
    partition: int
    first: int
    last: int
    rows: int


class Doubled(NamedTuple):
    """A coordinate with more than one row."""

    topic_id: str
    topic: str
    partition: int
    offset: int
    copies: int


class LandedPayload(NamedTuple):
    """What bronze holds at an offset; size and sha256 (hexadecimal) are None for a null payload."""

    offset: int
    size: int | None
    sha256: str | None
    key: bytes | None


class LandedRow(NamedTuple):
    """What bronze made of a message, in one life of its topic."""

    topic_id: str
    error: str | None
    contract_hash: str | None


class ContractUse(NamedTuple):
    """Rows that one version of a contract decoded, and when (microseconds since the epoch)."""

    source: str | None
    contract_hash: str
    rows: int
    first_us: int
    last_us: int


@dataclass(frozen=True, slots=True)
class LandedCoordinates:
    """Answers about one version of bronze. Gaps and doubles come as a stream: there may be many."""

    version: int
    _connection: DuckDBPyConnection
    _again: tuple[Again, ...] = ()

    def partitions(self) -> list[LandedPartition]:
        """Every partition that has rows, ordered by topic and partition."""
        return [LandedPartition(*row) for row in self._rows(SUMMARIES)]

    def gaps(self) -> Iterator[Gap]:
        """Missing offsets, ordered by topic, partition and offset. Control records of transactions leave gaps
        too: only Kafka knows whether a record was there."""
        return (Gap(*row) for row in self._rows(GAPS))

    def doubled(self) -> Iterator[Doubled]:
        """Coordinates that stand in bronze more than once, in the same order."""
        return (Doubled(*row) for row in self._rows(DOUBLED))

    def again(self) -> Sequence[Again]:
        """What was landed anew below the offsets that the answers begin at."""
        return self._again

    def payloads(
        self, topic_id: str, topic: str, partition: int, first: int, last: int
    ) -> Iterator[LandedPayload]:
        """Checksums of the rows with offsets `first` to `last`, both included, in order of offset."""
        rows = self._rows(PAYLOADS, [topic_id, topic, partition, first, last])
        return (LandedPayload(*row) for row in rows)

    def rejected(self, topic: str) -> Iterator[pa.RecordBatch]:
        """Rows that were rejected whole: topic_id, partition, offset, kafka_ms (of the landing where Kafka's
        time means nothing), and the first 16 hexadecimal digits of the payload's sha256, null for a null
        payload. In no order."""
        return iter(self._connection.cursor().execute(REJECTED, [topic]).to_arrow_reader(BATCH_ROWS))

    def rows_at(
        self, topic: str, places: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], list[LandedRow]]:
        """What stands at each (partition, offset), in all lives of the topic; asked at once, because each
        question reads the coordinates of the whole topic."""
        found: dict[tuple[int, int], list[LandedRow]] = {place: [] for place in places}
        if not places:
            return found
        partitions, offsets = (list(column) for column in zip(*places, strict=True))
        for partition, offset, *row in self._rows(ROWS_AT, [partitions, offsets, topic]):
            found[partition, offset].append(LandedRow(*row))
        return found

    def contracts(self) -> list[ContractUse]:
        """Which versions of which contracts decoded the rows."""
        return [ContractUse(*row) for row in self._rows(CONTRACTS)]

    def _rows(self, sql: str, parameters: list[Any] | None = None) -> Iterator[tuple[Any, ...]]:
        reader = self._connection.cursor().execute(sql, parameters).to_arrow_reader(BATCH_ROWS)
        for batch in reader:
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


@contextmanager
def landed_coordinates(
    settings: LakeSettings, version: int, since: Passed | None = None
) -> Iterator[LandedCoordinates]:
    """Reads the coordinates of bronze at `version`; the answers live as long as the block.

    With `since`, of the rows only that were landed after it.
    """
    with connection(settings) as connected:
        try:
            connected.execute("set global preserve_insertion_order = false")
            events = scan(storage(settings).table(BRONZE_EVENTS.name), version)
            again: list[Again] = []
            if since is None:
                connected.execute(f"create view events as from {events}")
            else:
                _hold(connected, since)
                connected.execute(LANDED_SINCE.format(events=events))
                rows = connected.execute(AGAIN.format(events=events), [since.moment.date()]).fetchall()
                again = [Again(*row) for row in rows]
            connected.execute(PARTITIONS)
            connected.execute(BREAKS)
            yield LandedCoordinates(version, connected, tuple(again))
        except duckdb.Error as error:
            raise failure(error, "") from error


def _hold(connected: DuckDBPyConnection, since: Passed) -> None:
    """Which offsets were landed before: tables of the connection's own."""
    connected.execute("create table landed_from as select ?::date as first_day", [since.first_day])
    connected.execute("create table passed (topic_id varchar, partition integer, next_offset bigint)")
    rows = [(*partition, offset) for partition, offset in since.checkpoints.items()]
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        connected.execute(
            "insert into passed select unnest(?::varchar[]), unnest(?::integer[]), unnest(?::bigint[])",
            columns,
        )
