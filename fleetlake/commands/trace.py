"""`fleetlake trace`: the Kafka messages behind rows of a table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleetlake.commands.plain_text import counted
from fleetlake.commands.sql import Format

if TYPE_CHECKING:
    import pyarrow as pa

    from fleetlake.settings import Settings
    from lake.query import Rows

PLACE = ("topic", "partition", "offset")
PAYLOAD = 60
"""Characters of a payload, unless it is wanted whole."""


def trace(
    table: Annotated[str, typer.Argument(help="Such as gold.trips, silver.signals or bronze.events.")],
    where: Annotated[
        str | None, typer.Option(help="Which rows: a condition in SQL, such as \"vehicle_id = 'V1'\".")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows that are traced, at most.")] = 10,
    every: Annotated[
        bool,
        typer.Option("--all", help="Also messages that brought the same readings again; reads bronze whole."),
    ] = False,
    payload: Annotated[
        bool, typer.Option("--payload", help="Payloads whole in a table, too, not their beginning.")
    ] = False,
    answer_format: Annotated[Format, typer.Option("--format", help="How the messages are printed.")] = (
        Format.TABLE
    ),
) -> None:
    """Show the Kafka messages behind rows of a table: where each number comes from.

    A row of a mart is followed to the readings that it is made of, and these to the message that brought each
    of them first, by topic, partition and offset.

    fleetlake trace gold.trips --where "vehicle_id = 'V1' and event_date = '2026-03-10'"
    """
    from fleetlake.commands.sql import show
    from fleetlake.marts import marts
    from fleetlake.settings import Settings
    from lake.engine import engine
    from lake.storage import wait_ready
    from transforms.trace import Trace

    settings = Settings()
    known = marts(settings)
    keys = {"bronze.events": PLACE, **{name: model.about.key for name, model in known.models.items()}}
    rows = _rows(settings, table, where, limit, keys)
    with engine(settings.lake) as duck:
        found = Trace(known, wait_ready(settings.lake, writes=False), duck).messages(table, rows, every=every)
        show(
            _answer(rows.select(keys[table]), found, whole=payload or answer_format is not Format.TABLE),
            answer_format,
        )


def _rows(
    settings: "Settings", table: str, where: str | None, limit: int, keys: Mapping[str, Sequence[str]]
) -> "pa.Table":
    """The rows asked for, at most `limit` of them, in the order of their keys."""
    from fleetlake.commands.conditions import rows_where
    from fleetlake.marts import no_table
    from lake.query import connect

    with connect(settings.lake) as warehouse:
        known = sorted({*warehouse.tables()} & keys.keys())
        if table not in known:
            raise typer.BadParameter(no_table(table, known), param_hint="TABLE")
        order = ", ".join(f'"{name}"' for name in keys[table])
        ordered = f" order by {order} limit {limit + 1}"
        found = rows_where(warehouse, table, where or None, ordered).table()
    if not found.num_rows:
        typer.echo(f"no row of {table} meets the condition", err=True)
        raise typer.Exit(1)
    if found.num_rows > limit:
        typer.echo(f"{counted(limit, 'row')} of {table} traced, there are more (--limit)", err=True)
    return found.slice(0, limit)


def _answer(keys: "pa.Table", found: "pa.RecordBatchReader", *, whole: bool) -> "Rows":
    """Messages with the key of the row that they are behind."""
    import pyarrow as pa

    from lake.query import Rows
    from transforms.trace import NUMBER

    kind = pa.struct(list(keys.schema))
    rows = pa.array(keys.to_pylist(), kind)
    columns = [field for field in found.schema if field.name != NUMBER]
    if not whole:
        columns[-1] = columns[-1].with_type(pa.string())
    schema = pa.schema([pa.field("row", kind), *columns])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in found:
            of_rows = rows.take(
                pa.array([number - 1 for number in batch.column(NUMBER).to_pylist()], pa.int64())
            )
            values = [batch.column(field.name) for field in columns]
            if not whole:
                values[-1] = pa.array([_short(each) for each in values[-1].to_pylist()], pa.string())
            yield pa.RecordBatch.from_arrays([of_rows, *values], schema=schema)

    return Rows(schema, batches())


def _short(payload: Any) -> str | None:
    from fleetlake.answers import text_of
    from fleetlake.commands.plain_text import shortened

    return None if payload is None else shortened(text_of(payload), PAYLOAD)
