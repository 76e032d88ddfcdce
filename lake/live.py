"""What silver would hold if it were brought up to date now, as two relations: silver, and rows of bronze
among which is every one that this silver has not read. Some that it has may be among them, those of the lane
that is further: who puts the two together leaves out what silver has.

How rows of bronze become readings is the transforms' to say: they hand a `LiveSelect` to who keeps the view.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from lake.bronze import BronzePartition, store_errors
from lake.bronze_files import Gained, dated, files_gained
from lake.duck import quoted, scan
from lake.errors import StoreUnavailable
from lake.locations import Locations
from lake.schemas import BRONZE_EVENTS, BRONZE_PARTITION, SILVER_SIGNALS
from lake.silver import BronzeRead, Lane, read_up_to
from lake.storage import Storage
from lake.transactions import transactions

LIVE = "silver.signals_live"

HELD_AT_MOST = timedelta(days=1)
"""A row is dated when it is decoded, and lands with its commit: a sink that cannot commit gives its rows up
long before this (`store_patience_seconds`), and reads them again."""

PATTERN = frozenset("*?[")
"""Signs by which DuckDB would look for other files; a lake's folder may have them in its name."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Silver, and what landed: two relations in SQL, with the columns of the two tables."""

    silver: str
    landed: str


LiveSelect = Callable[[Parts], str]
"""One SELECT: the readings of both parts, each once."""


def parts_now(store: Storage, empty: Mapping[str, str]) -> Parts:
    """The lake at this moment: one version of silver, and the files that bronze has gained since it was read.

    Silver is looked at first: what is added to it meanwhile is still among the files. `empty` has a relation
    without rows for each of the two tables, in case it was never written.
    """
    silver, bronze = _newest(store, SILVER_SIGNALS.name), _newest(store, BRONZE_EVENTS.name)
    nothing, none_landed = (f"({empty[table.name]})" for table in (SILVER_SIGNALS, BRONZE_EVENTS))
    return Parts(
        nothing if silver is None else _at_its_version(store, SILVER_SIGNALS.name, silver),
        none_landed if bronze is None else _gained(store, bronze, _read(store, silver)) or none_landed,
    )


def parts_at_any_time(store: Storage, seen: Locations, empty: Mapping[str, str]) -> Parts:
    """The newest versions whenever they are asked, of bronze what is beyond the offsets that silver has read
    by now. They stay true however old they get; the older, the more rows there are. Bronze must be there.

    `seen` is where the tables are for who asks.
    """
    silver, events = _newest(store, SILVER_SIGNALS.name), scan(seen.table(BRONZE_EVENTS.name))
    read = _read(store, silver)
    return Parts(
        f"({empty[SILVER_SIGNALS.name]})" if silver is None else scan(seen.table(SILVER_SIGNALS.name)),
        events if read is None else _since(store, read, events),
    )


def _newest(store: Storage, name: str) -> DeltaTable | None:
    """None where it was never written."""
    try:
        with store_errors(store):
            return DeltaTable(store.table(name), storage_options=store.options())
    except TableNotFoundError:
        return None


def _at_its_version(store: Storage, name: str, table: DeltaTable) -> str:
    return scan(store.table(name), table.version())


def _read(store: Storage, silver: DeltaTable | None) -> BronzeRead | None:
    """How far both lanes have read bronze; None where one of them has not begun."""
    lanes = [] if silver is None else [read_up_to(store, silver, lane) for lane in Lane]
    begun = [read for read in lanes if read is not None]
    return min(begun, default=None) if len(begun) == len(lanes) else None


def _gained(store: Storage, bronze: DeltaTable, read: BronzeRead | None) -> str | None:
    """What bronze has gained since, None for nothing: by its files, or out of all of them where they cannot
    be named."""
    if read is None:
        return _at_its_version(store, BRONZE_EVENTS.name, bronze)
    found = files_gained(store, bronze, read) if PATTERN.isdisjoint(store.locations.root) else None
    if found is None:
        return _unread(store, read, _at_its_version(store, BRONZE_EVENTS.name, bronze))
    if not found.files:
        return None
    return _unread(store, read, _of_files(found)) if found.is_mixed else _of_files(found)


def _of_files(found: Gained) -> str:
    days = []
    for day, files in sorted(found.files.items()):
        listed = ", ".join(map(quoted, files))
        days.append(
            f"select *, date '{day.isoformat()}' as {BRONZE_PARTITION} "  # noqa: S608 - our own names
            f"from read_parquet([{listed}], hive_partitioning => false)"
        )
    return f"({' union all by name '.join(days)})"


def _since(store: Storage, read: BronzeRead, events: str) -> str:
    """Of all events those that were not read, looked for in the days in which they may be."""
    day = dated(store, read.version)
    if day is None:
        return _unread(store, read, events)
    first = (day - HELD_AT_MOST).isoformat()
    recent = f"(select * from {events} where {BRONZE_PARTITION} >= date '{first}')"  # noqa: S608 - our own names
    return _unread(store, read, recent)


def _unread(store: Storage, read: BronzeRead, events: str) -> str:
    """The events above the offsets that were recorded in the version read; all where they are gone."""
    try:
        recorded = transactions(store, BRONZE_EVENTS.name, read.version)
    except StoreUnavailable:  # entries before it are gone; a store that is away says so again
        return events
    offsets = ", ".join(_next_offsets(recorded))
    if not offsets:
        return events
    return (
        f"(select * from {events} as unread where not exists ("  # noqa: S608 - our own names
        f"select 1 from (values {offsets}) as been_read(topic_id, partition, next_offset) "
        "where been_read.topic_id = unread.topic_id and been_read.partition = unread.partition "
        'and unread."offset" < been_read.next_offset))'
    )


def _next_offsets(recorded: Mapping[str, int]) -> Iterator[str]:
    for name, following in sorted(recorded.items()):
        partition = BronzePartition.of(name)
        if partition is not None:
            yield f"({quoted(partition.topic_id)}, {partition.partition}, {following})"
