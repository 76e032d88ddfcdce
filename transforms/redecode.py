"""Derives readings again from the payloads that bronze keeps, after a contract was corrected.

1. Silver records that the sources count by their contracts of now; increments go by that from then on.
2. The messages of one version of bronze are read: those that another contract has decoded, anew.
3. Day by day, silver is opened, and what the model makes of the messages is compared with it. Readings of
   messages that were landed after 2 stay.
4. A day that differs is replaced in one commit; where another writer came between, 3 is done again.
5. Silver records that all readings of the sources are by these contracts. The lanes go back to the version of
   2: they read again what was landed meanwhile, and add what a replaced day may lack of it.

Killed between two days, each of them is whole, and the same call goes on. A process that has other contracts
meanwhile is noticed in 5.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TypeVar

from contracts.registry import Registry
from lake.bronze import Bronze
from lake.bronze_meaning import Meaning, SilverOutdated, contract_number
from lake.bronze_rows import bronze_rows
from lake.engine import Days, Engine, engine
from lake.errors import TableMissing
from lake.schemas import BRONZE_EVENTS, SILVER_SIGNALS
from lake.settings import LakeSettings
from lake.silver import BronzeRead, Decoding, Extent, Silver, SilverMoved
from lake.snapshot import snapshot
from lake.storage import Storage, wait_ready
from lake.tables import exists
from transforms.day_change import KEEP_NEWER, DayChange, compare
from transforms.model import Model

T = TypeVar("T")
ALL_DAYS = date.min, date.max

TRIES = 20
"""Of one commit: increments come once a minute, and take seconds."""

SOURCES = "select distinct topic, source from bronze.events"
COUNT = "select count(*) as messages from bronze.events"
LANDED_DAYS = "select distinct ingest_date from bronze.events order by ingest_date"
LANDED = """
select topic_id, partition, max("offset") + 1 as following
from bronze.events
group by topic_id, partition
"""
"""The offset behind the last message, by partition."""

MESSAGES = """
with dated as (
    select
        topic_id,
        topic,
        partition,
        "offset",
        kafka_time,
        vehicle_id,
        received_time,
        signals,
        error,
        ingest_date,
        list_min(list_transform(signals, lambda each: cast(each.event_time as date))) as first_day,
        list_max(list_transform(signals, lambda each: cast(each.event_time as date))) as last_day
    from bronze.events
    where error is null
)

select *
from dated
where first_day <= $last and last_day >= $first
"""
"""What silver is made of, without payloads."""

EVENT_DAYS = """
with days as (
    select list_transform(signals, lambda each: cast(each.event_time as date)) as days
    from messages
)

select distinct unnest(list_distinct(days)) as day
from days
"""


class NoMessages(Exception):
    """Bronze has no message of a source.

    Operator action: correct the source's name, or wait until a message of it has landed.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__(f"bronze.events has no message of source {source}: there is nothing to derive again")


class DecodedOtherwise(Exception):
    """Another process has added readings of these sources meanwhile, by contracts that are not those of now.

    Operator action: restart that process, mostly Dagster, with the contracts of now; then run this again.
    """

    def __init__(self, sources: Collection[str]) -> None:
        self.sources = sorted(sources)
        super().__init__(
            f"another process has added readings of {', '.join(self.sources)} by another contract meanwhile: "
            "restart Dagster with the contracts of now, and run this again"
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the reading is, or the days are; `of` is how many there are."""

    step: str
    done: int
    of: int


@dataclass(frozen=True, slots=True)
class Redecoded:
    """What was read, and each day that is another now."""

    messages: int
    decoded_anew: int
    days: list[DayChange]


Listener = Callable[[Progress], object]


@dataclass
class Redecode:
    """One derivation, of the sources named or of all; `days` limits it to days of events, both included."""

    lake: LakeSettings
    model: Model
    registry: Registry
    sources: Collection[str] | None = None
    days: tuple[date, date] | None = None
    tell: Listener = lambda progress: None
    before_commit: Callable[[], object] = lambda: None

    def run(self, *, dry: bool = False) -> Redecoded:
        """Brings silver to the contracts of now; a dry run changes nothing and says what would be changed.

        Raises NoMessages, TableMissing where there is no silver yet, SilverOutdated where sources that are
        not named count by contracts of another time, DecodedOtherwise, and SilverMoved where other writers
        were first all the time.
        """
        store = wait_ready(self.lake, writes=not dry)
        known = self._known(store)
        with engine(self.lake) as duck:
            chosen = self._chosen(duck, store, known)
            begun = {**known, **_wanted(self.registry, chosen, known, Extent.UNDER_WAY)}
            extent = Extent.WHOLE if self.days is None else Extent.PARTLY
            done = {**known, **_wanted(self.registry, chosen, known, extent)}
            if not dry and begun != known:
                _until_first(lambda: Silver(store).record(begun))  # 1
            bronze = Bronze(store)
            read = BronzeRead(bronze.version, bronze.rows)
            meaning = Meaning(self.registry, begun)
            messages = self._read(duck, store, read.version, meaning)  # 2
            changes = [change for change in self._each_day(duck, store, dry=dry) if change.is_one]
        if not dry and (changes or begun != known or done != known):
            _conclude(store, begun, done, read)  # 5
        return Redecoded(messages, meaning.decoded_anew, changes)

    def _known(self, store: Storage) -> dict[str, Decoding]:
        if not exists(store, SILVER_SIGNALS.name):
            raise TableMissing(SILVER_SIGNALS.name, store.table(SILVER_SIGNALS.name))
        return Silver(store).decodings()

    def _chosen(self, duck: Engine, store: Storage, known: Mapping[str, Decoding]) -> set[str]:
        """The sources to derive again: they have messages, and no others are in the way."""
        duck.open_version(BRONZE_EVENTS.name, Bronze(store).version)
        meaning = Meaning(self.registry, known)
        landed = duck.select(SOURCES).to_pylist()
        speak = (meaning.contract_of(row["topic"], row["source"]) for row in landed)
        present = {contract.name for contract in speak if contract is not None}
        chosen = present if self.sources is None else set(self.sources)
        for source in sorted(chosen - present):
            raise NoMessages(source)
        if outdated := meaning.outdated() - chosen:
            raise SilverOutdated(outdated | chosen)
        return chosen

    def _read(self, duck: Engine, store: Storage, version: int, meaning: Meaning) -> int:
        """Keeps the messages of the days, as they count, as `messages`; how many were read."""
        duck.open_version(BRONZE_EVENTS.name, version)
        messages = duck.select(COUNT)["messages"].to_pylist()[0]
        duck.keep("landed", LANDED, {})
        days = duck.select(LANDED_DAYS)["ingest_date"].to_pylist()
        first, last = self.days or ALL_DAYS
        for number, day in enumerate(days, 1):
            duck.open_stream(BRONZE_EVENTS.name, meaning.read(bronze_rows(store, version, day)))
            keep = duck.keep if number == 1 else duck.keep_more
            keep("messages", MESSAGES, {"first": first, "last": last})
            self.tell(Progress(f"read what was landed on {day}", number, len(days)))
        return int(messages)

    def _each_day(self, duck: Engine, store: Storage, *, dry: bool) -> Iterator[DayChange]:
        found = set(duck.select(EVENT_DAYS)["day"].to_pylist())
        found |= {date.fromisoformat(day) for day in snapshot(store, SILVER_SIGNALS.name).marks}
        first, last = self.days or ALL_DAYS
        days = sorted(day for day in found if first <= day <= last)
        for number, day in enumerate(days, 1):
            yield _until_first(partial(self._day, duck, store, day, dry=dry))
            self.tell(Progress(f"compared {day}", number, len(days)))

    def _day(self, duck: Engine, store: Storage, day: date, *, dry: bool) -> DayChange:
        """One day at the newest version of silver, replaced where it differs."""
        silver = Silver(store)
        touches = f"first_day <= date '{day}' and last_day >= date '{day}'"
        duck.open_kept(BRONZE_EVENTS.name, "messages", touches)
        of_day = f"select * from (\n{self.model.sql}\n) where event_date = date '{day}'"  # noqa: S608 - our own
        duck.keep("made", of_day, {"is_hot": None})
        duck.open_version(SILVER_SIGNALS.name, silver.version, Days("event_date", day, day))  # 3
        duck.keep_more("made", KEEP_NEWER, {})
        change = compare(duck, day)
        if change.is_one and not dry:
            self.before_commit()
            silver.replace(day, duck.output("made", SILVER_SIGNALS, self.model.order))  # 4
        return change


def _wanted(
    registry: Registry, sources: Collection[str], known: Mapping[str, Decoding], extent: Extent
) -> dict[str, Decoding]:
    """What is to be recorded of the sources; one that is whole already stays so."""
    numbers = {source: contract_number(registry.contracts[source].hash) for source in sources}
    return {
        source: Decoding(number, extent)
        for source, number in numbers.items()
        if known.get(source) != Decoding(number, Extent.WHOLE)
    }


def _conclude(
    store: Storage, begun: Mapping[str, Decoding], done: Mapping[str, Decoding], read: BronzeRead
) -> None:
    def conclude() -> None:
        silver = Silver(store)
        now = silver.decodings()
        if overruled := {name for name, before in begun.items() if _is_overruled(before, now[name])}:
            raise DecodedOtherwise(overruled)
        silver.record(done, read)

    _until_first(conclude)


def _is_overruled(before: Decoding, now: Decoding) -> bool:
    """Whether readings by another contract came in; one that has concluded the same meanwhile is none."""
    is_less = now.extent is Extent.PARTLY and before.extent is not Extent.PARTLY
    return now.contract != before.contract or is_less


def _until_first(commit: Callable[[], T]) -> T:
    """Again from the start where another writer was first."""
    for _ in range(TRIES - 1):
        try:
            return commit()
        except SilverMoved:
            continue
    return commit()
