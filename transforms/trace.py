"""The Kafka messages behind rows of a table.

Each model says in its .yml which rows of the tables that it is made from a row is made of (`trace`). That is
followed down to silver, whose rows name the message that brought them first, or to bronze itself. As in a
build, a row is looked for in the days within the model's reach, and in no others.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from lake.bronze_meaning import Meaning
from lake.bronze_rows import bronze_rows
from lake.engine import Days, Engine
from lake.gold import WHOLE
from lake.schemas import BRONZE_EVENTS, SILVER_SIGNALS, TABLES
from lake.silver import decodings
from lake.snapshot import Snapshot, snapshot
from lake.storage import Storage
from transforms.build import Marts
from transforms.due import days_read
from transforms.model import Model
from transforms.statement import DIALECT, SOURCE, TARGET, parse

NUMBER = "traced_row"
"""Which of the rows asked for: the first is 1."""

TRACED = "reference.traced"
"""The engine's name for the rows that are followed."""

PLACE = ("topic_id", "partition", "offset")
NOWHERE = pa.schema(
    [(NUMBER, pa.int64()), *((name, BRONZE_EVENTS.columns.field(name).type) for name in PLACE)]
).empty_table()
PLACES = f'select distinct {NUMBER}, topic_id, partition, "offset" from {TRACED}'  # noqa: S608 - our own names

MESSAGES = f"""
select
    target.{NUMBER},
    source.topic,
    source.partition,
    source."offset",
    source.kafka_time,
    source.event_time,
    source.source,
    source.vehicle_id,
    source.payload
from {BRONZE_EVENTS.name} as source
inner join {TRACED} as target
    on target.topic_id = source.topic_id
    and target.partition = source.partition
    and target."offset" = source."offset"
order by target.{NUMBER}, source.kafka_time, source.topic, source.partition, source."offset", source.topic_id
"""  # noqa: S608 - our own names


@dataclass
class Trace:
    """Follows rows of one lake; each table stays at the version that it had at first sight."""

    marts: Marts
    store: Storage
    duck: Engine
    _seen: dict[str, Snapshot] = field(default_factory=dict)

    def messages(self, table: str, rows: pa.Table, *, every: bool = False) -> pa.RecordBatchReader:
        """The messages behind rows of a table, in order of the rows and of their arrival; the column
        `traced_row` says which row. With `every`, also messages that brought the same readings again."""
        numbered = rows.append_column(NUMBER, pa.array(range(1, rows.num_rows + 1), pa.int64()))
        ends = [*self._ends(table, numbered)]
        places = [rows.select([NUMBER, *PLACE]) for _, rows in ends]
        if every:
            places += self._copies([rows for name, rows in ends if name == SILVER_SIGNALS.name])
        self.duck.hold(TRACED, pa.concat_tables([NOWHERE, *(each.cast(NOWHERE.schema) for each in places)]))
        self.duck.hold(TRACED, self.duck.select(PLACES))
        self._open(BRONZE_EVENTS.name)
        return self.duck.stream(MESSAGES)

    def _ends(self, table: str, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """Rows that name their message, with their table."""
        if table in TABLES:
            yield table, rows.select(self._kept(table))
            return
        model = self.marts.models[table]
        for partition, of_partition in _by_partition(model, rows):
            for source, condition in model.about.trace.items():
                yield from self._ends(source, self._found(model, source, condition, partition, of_partition))

    def _found(self, model: Model, source: str, condition: str, partition: str, rows: pa.Table) -> pa.Table:
        """Rows of a table that rows of the model are made of."""
        self.duck.hold(TRACED, rows)
        self._open(source, self._days(model, source, partition))
        wanted = (
            [f"{SOURCE}.*"]
            if source not in TABLES
            else [_of(SOURCE, name).sql(DIALECT) for name in self._kept(source) if name != NUMBER]
        )
        return self.duck.select(
            f"select distinct {TARGET}.{NUMBER}, {', '.join(wanted)} "  # noqa: S608 - our own SQL
            f"from {source} as {SOURCE} inner join {TRACED} as {TARGET} on (\n{condition}\n)"
        )

    def _kept(self, table: str) -> list[str]:
        """Of bronze the place, without payloads; of silver also what makes readings the same."""
        key = self.marts.models[table].about.key if table == SILVER_SIGNALS.name else []
        return [NUMBER, *key, *PLACE]

    def _copies(self, readings: list[pa.Table]) -> list[pa.Table]:
        """Where messages are that brought any of these readings, as they count now: bronze is read whole."""
        if not readings:
            return []
        model = self.marts.models[SILVER_SIGNALS.name]
        self.duck.hold(TRACED, pa.concat_tables(readings))
        meaning = Meaning(self.marts.reference.registry, decodings(self.store))
        rows = bronze_rows(self.store, self._snapshot(BRONZE_EVENTS.name).version)
        self.duck.open_stream(BRONZE_EVENTS.name, meaning.read(rows))
        same = [
            exp.NullSafeEQ(this=_of(SOURCE, name), expression=_of(TARGET, name)) for name in model.about.key
        ]
        places = ", ".join(_of(SOURCE, name).sql(DIALECT) for name in PLACE)
        brought = parse(model.sql).step("readings")
        found = self.duck.select(
            f"select distinct {TARGET}.{NUMBER}, {places} from (\n{brought}\n) as {SOURCE} "  # noqa: S608 - our own
            f"inner join {TRACED} as {TARGET} on {exp.and_(*same).sql(DIALECT)}",
            dict.fromkeys(parse(brought).parameters),
        )
        return [found]

    def _open(self, table: str, days: Days | None = None) -> None:
        self.duck.open_version(table, self._snapshot(table).version, days)

    def _snapshot(self, table: str) -> Snapshot:
        return self._seen.setdefault(table, snapshot(self.store, table))

    def _days(self, model: Model, source: str, partition: str) -> Days | None:
        """The part of a table that the partition was made from; all of one that has other days or none."""
        known = TABLES.get(source)
        column = known.partition_by[0] if known else self.marts.models[source].about.partition
        if partition == WHOLE or column is None or column != model.about.partition:
            return None
        days = days_read(model, partition)
        return Days(column, date.fromisoformat(days[0]), date.fromisoformat(days[-1]))


def _by_partition(model: Model, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    if model.about.partition is None:
        yield WHOLE, rows
        return
    days = rows[model.about.partition]
    for day in sorted(set(days.to_pylist())):
        yield day.isoformat(), rows.filter(pc.equal(days, pa.scalar(day, days.type)))


def _of(table: str, column: str) -> exp.Column:
    return exp.column(column, table=table, quoted=True)
