"""Answers in the form that a client takes: JSON for documents; for tables JSON, CSV or an Arrow stream. Each
carries an ETag, so a client that has it already is told so in a few bytes."""

import base64
import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
from starlette.requests import Request
from starlette.responses import Response

from contracts.problem import Kind, Problem

JSON = "application/json"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
TABLE_TYPES = (JSON, CSV, ARROW)

CRLF = "\r\n"

FRESH = "private, no-cache"
"""May be kept, and must be asked for again: it is live."""

NEXT = "X-Next-Cursor"
"""Where the next page begins, for forms that have no room for it."""

ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def chosen_type(request: Request, offered: Sequence[str]) -> str:
    """The first of the media types offered that the client likes best. Raises a `not-acceptable` Problem."""
    wanted = _accepted(request.headers.get("accept", ""))
    if not wanted:
        return offered[0]
    best = max(offered, key=lambda each: _liking(each, wanted))
    if _liking(best, wanted) <= 0:
        raise Problem(Kind.NOT_ACCEPTABLE, f"this route answers as {', '.join(offered)}")
    return best


def _accepted(header: str) -> list[tuple[str, float]]:
    found = []
    for part in header[:1000].split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        if name:
            found.append((name, next((_quality(each[2:]) for each in parameters if each[:2] == "q="), 1.0)))
    return found


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _liking(offered: str, wanted: Sequence[tuple[str, float]]) -> float:
    """By the most specific range that has it."""
    kind = offered.partition("/")[0]
    for pattern in (offered, f"{kind}/*", "*/*"):
        for name, quality in wanted:
            if name == pattern:
                return quality
    return 0.0


def document(request: Request, content: Any, *, cache: str = FRESH) -> Response:
    """A JSON document."""
    chosen_type(request, (JSON,))
    return tagged(request, ENCODER.encode(content), JSON, cache=cache)


def encoded(request: Request, body: bytes, *, cache: str = FRESH) -> Response:
    """A JSON document that is encoded already."""
    chosen_type(request, (JSON,))
    return tagged(request, body, JSON, cache=cache)


def tagged(
    request: Request, body: bytes, media_type: str, *, cache: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer, or 304 where the client has it."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    sent = {"ETag": tag, "Cache-Control": cache, "Vary": "Accept, Authorization", **(headers or {})}
    known = request.headers.get("if-none-match")
    if known is not None and _has(known, tag):
        return Response(status_code=304, headers=sent)
    return Response(body, media_type=media_type, headers=sent)


def _has(known: str, tag: str) -> bool:
    return known.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in known.split(","))


def table(
    request: Request,
    name: str,
    rows: pa.Table,
    *,
    next_cursor: str | None = None,
    more: Mapping[str, Any] | None = None,
    convert: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    cache: str = FRESH,
) -> Response:
    """Rows under a name, with `more` members around them; `convert` gives a row its form in JSON."""
    media_type = chosen_type(request, TABLE_TYPES)
    headers = {} if next_cursor is None else {NEXT: next_cursor}
    if media_type != JSON:
        return tagged(
            request, written(rows, media_type, name), told(media_type), cache=cache, headers=headers
        )
    found = records(rows)
    shown = found if convert is None else [convert(row) for row in found]
    content = {**(more or {}), name: shown, "next_cursor": next_cursor}
    return tagged(request, ENCODER.encode(content), JSON, cache=cache, headers=headers)


def written(rows: pa.Table, media_type: str, name: str) -> bytes:
    """Rows in one of the forms of a table; in JSON under a name, as a page that is the last one."""
    if media_type == CSV:
        return _csv(rows)
    if media_type == ARROW:
        return arrow_stream(rows)
    return ENCODER.encode({name: records(rows), "next_cursor": None})


def told(media_type: str) -> str:
    """The media type as an answer says it."""
    return f"{CSV}; charset=utf-8" if media_type == CSV else media_type


def arrow_stream(rows: pa.Table) -> bytes:
    """The rows as one Arrow stream."""
    out = io.BytesIO()
    with pa.ipc.new_stream(out, rows.schema) as stream:
        stream.write_table(rows)
    return out.getvalue()


def records(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows as JSON knows them, columns of the same name told apart."""
    names = unique(rows.column_names)
    columns = [_listed(column) for column in rows.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def unique(names: Sequence[str]) -> list[str]:
    """Names of columns, told apart: `a, a` becomes `a, a_2`."""
    taken: dict[str, int] = {}
    for name in names:
        number, candidate = taken.get(name, 1), name
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken[name] = number
        taken.setdefault(candidate, 1)
    return list(taken)


def _listed(column: pa.ChunkedArray) -> list[Any]:
    """Python has no year 10000 and no infinite time: such a column is told as text."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    try:
        values = column.to_pylist()
    except (OverflowError, ValueError, pa.ArrowException):
        if not pa.types.is_nested(column.type):
            return list(column.cast(pa.string()).to_pylist())
        values = [_value(value) for value in column]
    return [_plain(value) for value in values] if _is_odd(column.type) else values


def _value(value: pa.Scalar) -> Any:
    """Of a list, struct or map, part by part: names that are there twice are told apart, as columns are."""
    if not value.is_valid:
        return None
    if isinstance(value, pa.StructScalar):
        names = unique([field.name for field in value.type])
        return {name: _value(value[number]) for number, name in enumerate(names)}
    if isinstance(value, pa.MapScalar):
        return [(_value(entry["key"]), _value(entry["value"])) for entry in value.values]
    if isinstance(value, pa.ListScalar | pa.LargeListScalar | pa.FixedSizeListScalar):
        return [_value(each) for each in value.values]
    try:
        return value.as_py()
    except (OverflowError, ValueError, pa.ArrowException):
        return value.cast(pa.string()).as_py()


def _is_odd(kind: pa.DataType) -> bool:
    """Whether there may be values that JSON does not have."""
    return not (pa.types.is_primitive(kind) or pa.types.is_string(kind) or pa.types.is_boolean(kind))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, str | int | float | bool | datetime | date | time | Decimal):
        return value
    return str(value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(value).decode()}"


class _Lines:
    """Lines that end as on Unix, of a writer that quotes what holds either character of a line's end."""

    def __init__(self, out: io.StringIO) -> None:
        self._out = out

    def write(self, line: str) -> None:
        self._out.write(line.removesuffix(CRLF) + "\n")


def _csv(rows: pa.Table) -> bytes:
    """A header and a line a row; null is empty, times are ISO 8601, lists and structs are JSON."""
    out = io.StringIO()
    writer = csv.writer(_Lines(out), lineterminator=CRLF)
    writer.writerow(unique(rows.column_names))
    columns = [_listed(column) for column in rows.columns]
    writer.writerows([_cell(value) for value in row] for row in zip(*columns, strict=True))
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | list | dict | datetime | date | time | timedelta):
        return ENCODER.encode(value).decode().strip('"')
    return str(value)
