"""Answers to SQL as people and programs take them: a table or records, JSON, CSV or Parquet. For people, long
values are cut with an ellipsis; programs get them whole.

Times are ISO 8601, in UTC with `Z`. Bytes are their text where they are UTF-8, else `base64:` and base64. In
JSON and CSV, numbers are exact, and what has no number in JSON (NaN, infinity) is null."""

import base64
import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.measure import measure_renderables
from rich.table import Table
from rich.text import Text

from lake.errors import QueryFailed
from lake.query import Rows

TABLE_ROWS = 1000
"""A table is measured as a whole before it is drawn; more rows are for `--format csv` or json."""

PIPED_WIDTH = 100_000
PIPED_CELL = 60
"""Characters of a cell where there is no terminal: a row stays a line that can be read and searched."""

GROUP_ROWS, GROUP_BYTES = 120_000, 64_000_000
"""A row group of a Parquet file is full at either of them."""

NUMERIC = (int, float, Decimal)

Convert = Callable[[Any], Any]
JSON = msgspec.json.Encoder(decimal_format="number")


def write_json(rows: Rows, out: IO[str]) -> None:
    """One array of objects, an object a line."""
    names = unique(rows.schema.names)
    before = "["
    for row in _values(rows):
        out.write(f"{before}\n{JSON.encode(dict(zip(names, row, strict=True))).decode()}")
        before = ","
    out.write("[]\n" if before == "[" else "\n]\n")


def write_csv(rows: Rows, out: IO[str]) -> None:
    """A header and a line a row; null is empty, lists and structs are JSON."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(unique(rows.schema.names))
    writer.writerows([_plain_text(value, null="") for value in row] for row in _values(rows))


def write_table(rows: Rows, console: Console) -> bool:
    """A table as wide as its content, or records where the terminal is narrower than that; returns whether
    rows were left out."""
    shown: list[list[Any]] = []
    is_cut = False
    for row in _values(rows):
        if len(shown) == TABLE_ROWS:
            is_cut = True
            break
        shown.append(row)
    table = _table(rows.schema.names, shown, None if console.is_terminal else PIPED_CELL)
    unbounded = console.options.update(max_width=PIPED_WIDTH)
    if shown and measure_renderables(console, unbounded, [table]).maximum > console.width:
        _print_records(rows.schema.names, shown, console)
    else:
        console.print(table)
    return is_cut


def _table(names: Sequence[str], shown: Sequence[Sequence[Any]], cell_width: int | None) -> Table:
    table = Table(box=None, pad_edge=False)
    for index, name in enumerate(names):
        is_number = bool(shown) and all(
            isinstance(row[index], NUMERIC) or row[index] is None for row in shown
        )
        table.add_column(Text(_visible(name)), justify="right" if is_number else "left", overflow="fold")
    for row in shown:
        table.add_row(*(_cell(value, cell_width) for value in row))
    return table


def _print_records(names: Sequence[str], shown: Sequence[Sequence[Any]], console: Console) -> None:
    """Every row as lines of `column  value`, each as wide as the terminal at most."""
    labels = [Text(_visible(name)) for name in names]
    label_width = min(max(label.cell_len for label in labels), console.width // 2)
    for label in labels:
        label.truncate(label_width, overflow="ellipsis", pad=True)
    for number, row in enumerate(shown, 1):
        console.print(Text(f"-[ {number} ]".ljust(console.width, "-")))
        for label, value in zip(labels, row, strict=True):
            console.print(label, _cell(value, console.width - label_width - 2), sep="  ", soft_wrap=True)


def _cell(value: Any, width: int | None) -> Text:
    text = Text(_visible(_plain_text(value, null="null")))
    if width is not None:
        text.truncate(width, overflow="ellipsis")
    return text


def terminal(out: IO[str]) -> Console:
    """A console for tables: as wide as the terminal, or without bounds where there is none."""
    console = Console(file=out, highlight=False, markup=False)
    return (
        console
        if console.is_terminal
        else Console(file=out, width=PIPED_WIDTH, highlight=False, markup=False)
    )


def write_file(rows: Rows, file: Path) -> int:
    """Writes a .parquet, .csv or .json file, which appears when it is complete; returns the rows written."""
    write = FILE_WRITERS[file.suffix.lower()]
    counted = _Counted(rows.batches)
    with _complete_or_absent(file) as unfinished:
        write(Rows(rows.schema, iter(counted)), unfinished)
    return counted.rows


def unique(names: Sequence[str]) -> list[str]:
    """Names of columns, told apart: `a, a` becomes `a, a_2`."""
    taken: list[str] = []
    for name in names:
        number, candidate = 2, name
        while candidate in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken.append(candidate)
    return taken


def _write_parquet(rows: Rows, file: Path) -> None:
    schema = pa.schema(
        [field.with_name(name) for field, name in zip(rows.schema, unique(rows.schema.names), strict=True)]
    )
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _row_groups(rows.batches):
            batches = [pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in group]
            writer.write_table(pa.Table.from_batches(batches, schema))


def _row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches together until they are worth a row group, or take the memory of one."""
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        group.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group


def _text_writer(write: Callable[[Rows, IO[str]], None]) -> Callable[[Rows, Path], None]:
    def write_text(rows: Rows, file: Path) -> None:
        with file.open("w", encoding="utf-8", newline="") as out:
            write(rows, out)

    return write_text


FILE_WRITERS: dict[str, Callable[[Rows, Path], None]] = {
    ".parquet": _write_parquet,
    ".csv": _text_writer(write_csv),
    ".json": _text_writer(write_json),
}


class _Counted:
    """Batches, and the number of rows that went by."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = batches
        self.rows = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch


@contextmanager
def _complete_or_absent(file: Path) -> Iterator[Path]:
    unfinished = file.with_name(f".{file.name}.{uuid4().hex[:8]}")
    try:
        yield unfinished
        os.replace(unfinished, file)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(file)) from error  # the name that was given
    finally:
        with suppress(OSError):  # what ended the writing is what matters
            unfinished.unlink(missing_ok=True)


def _values(rows: Rows) -> Iterator[list[Any]]:
    """Row by row, as values that JSON knows; bytes and maps inside lists and structs too."""
    converts = [_conversion(kind) for kind in rows.schema.types]
    for batch in rows.batches:
        columns = (
            values if convert is None else [None if v is None else convert(v) for v in values]
            for values, convert in zip(map(_listed, batch.columns, rows.schema.names), converts, strict=True)
        )
        yield from map(list, zip(*columns, strict=True))


def _listed(column: pa.Array, name: str) -> list[Any]:
    """QueryFailed where Python has no such value: infinity, a year before 1 or after 9999, nanoseconds."""
    try:
        values: list[Any] = column.cast(_in_microseconds(column.type)).to_pylist()
    except (OverflowError, ValueError) as error:
        problem = f'column "{name}" has a time that can only be shown as text: "{name}"::varchar ({error})'
        raise QueryFailed(problem) from error
    return values


def _in_microseconds(kind: pa.DataType) -> pa.DataType:
    """The type with the times that Python has: of nanoseconds it has none, or those of pandas where that is
    loaded."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz) if kind.unit == "ns" else kind
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_in_microseconds(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_in_microseconds(field.type)) for field in kind])
    return kind


def _conversion(kind: pa.DataType) -> Convert | None:
    """How a value of an Arrow type becomes one that JSON knows; None where it already is."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return text_of
    if pa.types.is_interval(kind):
        return str
    if pa.types.is_map(kind):
        key, value = (_conversion(part) or _same for part in (kind.key_type, kind.item_type))
        return lambda pairs: {str(key(k)): v if v is None else value(v) for k, v in pairs}
    if pa.types.is_struct(kind):
        parts = {field.name: _conversion(field.type) for field in kind}
        changed = {name: part for name, part in parts.items() if part is not None}
        return (lambda struct: struct | _converted(struct, changed)) if changed else None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = _conversion(kind.value_type)
        if inner is not None:
            return lambda items: [item if item is None else inner(item) for item in items]
    return None


def _converted(struct: dict[str, Any], changed: dict[str, Convert]) -> dict[str, Any]:
    return {name: convert(struct[name]) for name, convert in changed.items() if struct[name] is not None}


def _same(value: Any) -> Any:
    return value


def text_of(value: bytes) -> str:
    """Bytes as text where they are UTF-8, else `base64:...`."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(value).decode()}"


def _plain_text(value: Any, *, null: str) -> str:
    if value is None:
        return null
    if isinstance(value, str):
        return value
    if isinstance(value, bool | list | dict | datetime | date | time | timedelta):
        return JSON.encode(value).decode().strip('"')
    return str(value)


def _visible(text: str) -> str:
    """Control characters escaped, so that no payload can write on the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
