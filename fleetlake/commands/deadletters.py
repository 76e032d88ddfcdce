"""`fleetlake deadletters`: messages that were rejected whole. See them, see one in full, send them again."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from heapq import nlargest
from typing import Annotated

import typer

from broker.reader import PartitionReader
from broker.record import Headers
from contracts.load import Registry, load_registry
from contracts.reasons import Reason
from fleetlake.commands.letter_table import Groups, group_lines, letter_lines
from fleetlake.commands.plain_text import counted, terminal_width
from fleetlake.settings import Settings
from fleetlake.stack.presence import require_choice, require_server
from ingest.deadletters import Coordinates, Found, Lookup, Original, Selection, read_letters
from ingest.redrive import Markers, redriven_before, redriving
from lake.query import Warehouse, connect

NOUN = "dead letter"
WHOLE_MESSAGE = """
    select payload, key, headers from bronze.events where topic = ? and "partition" = ? and "offset" = ?
"""

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Messages that were rejected: list, show, redrive."
)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is no time, write one such as 2026-03-01T12:00:00Z"
        raise typer.BadParameter(message) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _place(text: str) -> Coordinates:
    return Coordinates.parse(text)


Source = Annotated[str | None, typer.Option(help="Only of this source.")]
ByReason = Annotated[Reason | None, typer.Option(help="Only with this reason.")]
Since = Annotated[
    datetime | None,
    typer.Option(parser=_time, metavar="TIME", help="Written at or after, e.g. 2026-03-01T12:00:00Z."),
]
Until = Annotated[datetime | None, typer.Option(parser=_time, metavar="TIME", help="Written before.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
PLACE_HELP = "TOPIC/PARTITION/OFFSET of a dead letter, or of the message it is about."


@app.command("list")
def list_letters(
    source: Source = None,
    reason: ByReason = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Dead letters, the newest first, and how many there are by source and reason."""
    selection = _selection(source, reason, since, until)
    settings, registry = _registry(require_server)
    groups: Groups = Groups()
    with PartitionReader(settings.kafka) as reader:
        letters = _grouped(read_letters(settings.kafka, registry, selection, reader), groups)
        newest = nlargest(limit, letters, key=lambda found: (found.time_ms, found.at))
        markers = redriven_before(settings.kafka, reader)
    if as_json:
        typer.echo(json.dumps([_summary(found, markers) for found in newest], ensure_ascii=False))
        return
    if not newest:
        typer.echo(" ".join(["no dead letters", *_filters(selection)]))
        return
    times = [_iso(found.time_ms, "seconds") for found in newest]
    for line in (*letter_lines(newest, times, markers, terminal_width()), "", *group_lines(groups)):
        typer.echo(line)
    if len(newest) < groups.total():
        shown = f"{len(newest)} of {counted(groups.total(), NOUN)}"
        typer.echo(f"{shown}; --limit N shows more", err=True)


@app.command("show")
def show_letter(place: Annotated[str, typer.Argument(help=PLACE_HELP)], as_json: AsJson = False) -> None:
    """One dead letter in full, with the whole message as it was received."""
    selection = _selection(places=[place])
    settings, registry = _registry(require_server)
    _check_places(selection, registry)
    with PartitionReader(settings.kafka) as reader, _history(settings) as lookup:
        found = next(read_letters(settings.kafka, registry, selection, reader), None)
        if found is None:
            message = f"there is no dead letter at or about {place}"
            raise typer.BadParameter(message)
        original = found.original(lookup)
        details = _details(found, original, redriven_before(settings.kafka, reader))
    if as_json:
        typer.echo(json.dumps(details, ensure_ascii=False))
        return
    event = details.pop("event")
    for name, value in details.items():
        typer.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    typer.echo(f"event:\n{event}")


@app.command("redrive")
def redrive_letters(
    places: Annotated[
        list[str] | None, typer.Argument(metavar="[PLACE]...", help=PLACE_HELP, show_default=False)
    ] = None,
    source: Source = None,
    reason: ByReason = None,
    since: Since = None,
    until: Until = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also what the contract would reject again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send messages to their topic again, through the contract as it is now; each message once.

    What the present contract would reject again is left where it is. Without a selection: all.
    """
    selection = _selection(source, reason, since, until, places or [])
    settings, registry = _registry(require_choice)
    _check_places(selection, registry)
    with (
        _history(settings) as lookup,
        redriving(
            settings.kafka, settings.ingest, registry, lookup, now=lambda: datetime.now(UTC), is_forced=force
        ) as redrive,
        PartitionReader(settings.kafka) as reader,
    ):
        result = redrive.run(read_letters(settings.kafka, registry, selection, reader))
    if as_json:
        typer.echo(json.dumps(result.as_json()))
        return
    typer.echo(f"{counted(result.selected, NOUN)} selected, {counted(result.sent, 'message')} sent")
    if result.sent_before:
        typer.echo(f"sent before, and not sent twice: {result.sent_before}")
    for error, count in result.still_rejected.most_common():
        typer.echo(f"would be rejected again: {count} for {error} (--force sends them nevertheless)")
    if result.incomplete:
        typer.echo(f"cut, and the history has no whole message for them: {result.incomplete}")


def _selection(
    source: str | None = None,
    reason: Reason | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    places: Sequence[str] = (),
) -> Selection:
    try:
        parsed = frozenset(map(_place, places))
    except ValueError as error:
        message = f"{' '.join(places)}: a place is written TOPIC/PARTITION/OFFSET"
        raise typer.BadParameter(message) from error
    return Selection(source, reason, _milliseconds(since), _milliseconds(until), parsed)


def _check_places(selection: Selection, registry: Registry) -> None:
    """Refuses places in topics that no source has, and says which there are."""
    known = {
        topic for each in registry.contracts.values() for topic in (*each.topics, each.dead_letter_topic)
    }
    unknown = sorted({place.topic for place in selection.places} - known)
    if unknown:
        message = f"no source has a topic {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        raise typer.BadParameter(message)


def _grouped(letters: Iterable[Found], groups: Groups) -> Iterator[Found]:
    """The letters as they come, counted."""
    for found in letters:
        groups[found.letter.source, found.letter.error] += 1
        yield found


def _filters(selection: Selection) -> Iterator[str]:
    """The selection in words."""
    if selection.source is not None:
        yield f"of source {selection.source}"
    if selection.reason is not None:
        yield f"with reason {selection.reason}"
    if selection.since_ms is not None:
        yield f"since {_iso(selection.since_ms)}"
    if selection.until_ms is not None:
        yield f"before {_iso(selection.until_ms)}"


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() * 1000)


def _registry(require: Callable[[Settings, str], None]) -> tuple[Settings, Registry]:
    settings = Settings()
    require(settings, "kafka")
    return settings, load_registry(settings.contracts)


@contextmanager
def _history(settings: Settings) -> Iterator[Lookup]:
    """Whole messages from bronze; the lake is opened when the first is asked for."""
    warehouses: list[Warehouse] = []

    def lookup(at: Coordinates) -> list[Original]:
        if not warehouses:
            warehouses.append(connect(settings.lake))
        rows = warehouses[0].query(WHOLE_MESSAGE, [at.topic, at.partition, at.offset]).table().to_pylist()
        return [Original(row["payload"], row["key"], _headers(row["headers"])) for row in rows]

    try:
        yield lookup
    finally:
        for warehouse in warehouses:
            warehouse.close()


def _headers(rows: list[dict[str, object]] | None) -> Headers | None:
    if rows is None:
        return None
    return [(str(row["key"]), value if isinstance(value := row["value"], bytes) else None) for row in rows]


def _summary(found: Found, markers: Markers) -> dict[str, object]:
    letter = found.letter
    return {
        "dead_letter": str(found.at),
        "time": _iso(found.time_ms),
        "source": letter.source,
        "error": letter.error,
        "detail": letter.detail,
        "message": str(found.source_at),
        "source_topic": letter.source_topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "size": letter.size,
        "sha256": letter.sha256,
        "redriven": found in markers,
    }


def _details(found: Found, original: Original | None, markers: Markers) -> dict[str, object]:
    """All that is known; where the whole message is gone, the part that the dead letter holds."""
    letter = found.letter
    shown = original or Original(letter.event_bytes(), found.key, found.headers)
    text, encoding = _text(shown.payload)
    return {
        **_summary(found, markers),
        "contract_hash": letter.contract_hash,
        "key": _text(shown.key)[0],
        "headers": [[name, _text(value)[0]] for name, value in shown.headers or ()],
        "is_whole": original is not None,
        "event_encoding": encoding,
        "event": text,
    }


def _text(value: bytes | None) -> tuple[str | None, str]:
    if value is None:
        return None, "text"
    try:
        return value.decode(), "text"
    except UnicodeDecodeError:
        return b64encode(value).decode(), "base64"


def _iso(time_ms: int, timespec: str = "milliseconds") -> str:
    """ISO 8601; the number itself where no calendar has it, as of a letter whose writer dates it so."""
    try:
        time = datetime.fromtimestamp(time_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"
    return time.isoformat(timespec=timespec).replace("+00:00", "Z")
