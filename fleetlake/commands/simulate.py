"""`fleetlake simulate` and `fleetlake replay`: messages into the topics of their sources, and what was
acknowledged of them, so that what arrives can be checked against it: one JSON document on stdout, or a short
text where stdout is a terminal."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from fleetlake.commands.plain_text import counted, terminal_width
from fleetlake.commands.sent_summary import replayed_lines, simulated_lines
from simulate.errors import BadRequest
from simulate.outlets import FileOutlet, KafkaOutlet, NoOutlet, Outlet
from simulate.pacing import Clock
from simulate.plan import ALL, Request, Shares, option
from simulate.recordings import Format
from simulate.send import Progress

AS_FAST_AS_IT_GOES = "max"
SHOW_EVERY_S = {True: 0.5, False: 10.0}
"""Seconds between two reports of progress: on a terminal, and elsewhere."""

SAY_EVERY_S = 5.0
DEFAULT = Shares()
DryRun = Annotated[bool, typer.Option("--dry-run", help="Send nothing; only say what would be sent.")]
Output = Annotated[
    Path | None,
    typer.Option(help="Write the messages as JSON lines into FILE (.gz is packed) instead of sending them."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="JSON also on a terminal; elsewhere it is JSON in any case.")
]
WHAT_NEXT = "next: `fleetlake wait` until the sinks are done, then `fleetlake audit`"


def share(text: str) -> Any:
    """An option for a share of the messages."""
    return typer.Option(min=0.0, max=1.0, help=text, rich_help_panel="Shares of the messages, 0 to 1")


class NotAcknowledged(Exception):
    """Kafka did not acknowledge all messages.

    Operator action: look at the first reason; the report on stdout counts those that arrived.
    """

    def __init__(self, failed: int, first: Exception | None) -> None:
        self.failed, self.first = failed, first
        super().__init__(f"{counted(failed, 'message')} not acknowledged, the first because {first}")


class Run(Protocol):
    """A simulation or a replay."""

    @property
    def topics(self) -> Sequence[str]: ...
    def run(self, outlet: Outlet, clock: Clock, progress: Callable[[Progress], None]) -> None: ...
    @property
    def sent(self) -> int: ...
    @property
    def failed(self) -> int: ...
    def report(self) -> dict[str, Any]: ...


def simulate(
    source: Annotated[
        list[str] | None,
        typer.Option("--source", "-s", help="NAME or NAME=WEIGHT of the messages; repeatable; all."),
    ] = None,
    vehicles: Annotated[int, typer.Option(help="Vehicles of each source.")] = 10,
    first_vehicle: Annotated[int, typer.Option(help="Number of the first: a fleet on several machines.")] = 0,
    sensors: Annotated[int, typer.Option(help="Sensors a vehicle, where a source has them.")] = 1000,
    rate: Annotated[
        float, typer.Option(help="Messages a second of all sources; 0: as fast as it goes.")
    ] = 100.0,
    interval: Annotated[
        float | None,
        typer.Option(
            help="Simulated seconds between two messages of a vehicle; default: as the rate makes it."
        ),
    ] = None,
    count: Annotated[int | None, typer.Option(help="Messages of all sources.")] = None,
    duration: Annotated[float | None, typer.Option(help="Simulated seconds.")] = None,
    start: Annotated[
        str | None, typer.Option(help="Simulated time begins here, such as 2026-01-21T10:00:00Z.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Equal arguments with an equal start give equal messages.")] = 1,
    anomalies: Annotated[
        float, share("Valid, with a value beyond a threshold of the catalog.")
    ] = DEFAULT.anomalies,
    invalid: Annotated[float, share("Broken: rejected whole, and a dead letter.")] = DEFAULT.invalid,
    bad_signals: Annotated[
        float, share("One signal is refused, the rest of the message is kept.")
    ] = DEFAULT.bad_signals,
    late: Annotated[float, share("Held back for seconds to minutes: see --late-by.")] = DEFAULT.late,
    duplicates: Annotated[float, share("Sent a second time a little later.")] = DEFAULT.duplicates,
    out_of_order: Annotated[
        float, share("Overtaken by the next message or two of the same vehicle.")
    ] = DEFAULT.out_of_order,
    late_by: Annotated[float, typer.Option(help="Late messages come at most so many seconds late.")] = 300.0,
    dry_run: DryRun = False,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Vehicles that drive, stop, charge, sleep, wake and fail.

    Ctrl-C ends the run; the report says what was acknowledged until then.
    """
    from contracts.load import load_registry
    from fleetlake.settings import Settings
    from simulate.run import Simulation

    settings = Settings()
    request = Request(
        sources=tuple(source or (ALL,)),
        vehicles=vehicles,
        first_vehicle=first_vehicle,
        sensors=sensors,
        rate=rate,
        interval_s=interval,
        count=count,
        duration_s=duration,
        start_us=None if start is None else _time(start),
        present_us=time.time_ns() // 1000,
        seed=seed,
        late_by_s=late_by,
        shares=Shares(anomalies, invalid, bad_signals, late, duplicates, out_of_order),
    )
    simulation = Simulation(request, load_registry(settings.contracts))
    lines = None if as_json else simulated_lines
    _carry_out(simulation, settings, dry_run=dry_run, output=output, lines=lines)


def replay(
    files: Annotated[list[Path], typer.Argument(help="JSON lines, JSON objects in prose, or CSV; .gz too.")],
    source: Annotated[str, typer.Option("--source", "-s", help="The source whose messages these are.")],
    speed: Annotated[
        str, typer.Option(help="1: as it was; 60: an hour a minute; max: as fast as it goes.")
    ] = (AS_FAST_AS_IT_GOES),
    vehicle: Annotated[
        str | None, typer.Option(help="Kafka key; default: the message's vehicle, else the file's name.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Messages of all files.")] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="How to read the files, where the guess is wrong.")
    ] = None,
    all_objects: Annotated[
        bool, typer.Option("--all-objects", help="Also those behind a heading that names an output.")
    ] = False,
    longest_gap: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds waited at most between two messages, whatever their times."),
    ] = 5.0,
    force: Annotated[
        bool, typer.Option("--force", help="Also a file of which no message is valid for the source.")
    ] = False,
    dry_run: DryRun = False,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Send recorded files, byte for byte. Several play at once, each from its beginning.

    Broken messages are sent too; but nothing is when the first 1,000 messages of a file are all invalid.
    """
    from contracts.load import load_registry
    from fleetlake.settings import Settings
    from simulate.recordings import Recording
    from simulate.replay_run import ReplayRun

    settings = Settings()
    recordings = [Recording(file, form, all_objects=all_objects) for file in files]
    run = ReplayRun(
        recordings,
        source,
        load_registry(settings.contracts),
        speed=_speed(speed),
        vehicle=vehicle,
        limit=limit,
        longest_gap_s=longest_gap,
    )
    if not force:
        run.check()
    lines = None if as_json else replayed_lines
    _carry_out(run, settings, dry_run=dry_run, output=output, lines=lines)
    for recording in recordings:
        if recording.left_out:
            objects = counted(recording.left_out, "object")
            left = f"{recording.path}: left out {objects} behind an output heading"
            typer.echo(f"{left} (--all-objects sends them too)", err=True)


def _carry_out(
    run: Run,
    settings: Any,
    *,
    dry_run: bool,
    output: Path | None,
    lines: Callable[[dict[str, Any]], list[str]] | None,
) -> None:
    """Sends everything; the report is printed whatever happens after the first message: as `lines` on a
    terminal, else as JSON."""
    from ingest.process import Stop

    outlet = _outlet(run, settings, dry_run=dry_run, output=output)
    stop, progress = Stop(), ProgressLine(time.monotonic)
    with stop.on_signals():
        try:
            run.run(outlet, Clock(time.monotonic, stop.wait, lambda: stop.requested), progress)
        finally:
            progress.end()
            if run.sent or sys.exc_info()[0] is None:
                if lines is None or terminal_width() is None:
                    typer.echo(json.dumps(run.report(), ensure_ascii=False, indent=2))
                else:
                    where = "nothing was sent: a dry run" if dry_run else WHAT_NEXT
                    where = where if output is None else f"written into {output}, not sent"
                    typer.echo("\n".join([*lines(run.report()), where]))
    if run.failed:
        first = outlet.first_failure if isinstance(outlet, KafkaOutlet) else None
        raise NotAcknowledged(run.failed, first)


def _outlet(run: Run, settings: Any, *, dry_run: bool, output: Path | None) -> Outlet:
    if output is not None:
        return FileOutlet(output)
    if dry_run:
        return NoOutlet()
    from broker.producer import Producer
    from broker.topics import wait_topics
    from fleetlake.stack.presence import require_choice

    require_choice(settings, "kafka")
    wait_topics(settings.kafka, run.topics, waiting=SaidNowAndThen(time.monotonic))
    return KafkaOutlet(Producer(settings.kafka))


class SaidNowAndThen:
    """What is waited for, on stderr: at once and then every few seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = clock()

    def __call__(self, text: str) -> None:
        if self._clock() >= self._next:
            self._next = self._clock() + SAY_EVERY_S
            typer.echo(text, err=True)


class ProgressLine:
    """Messages and rate on stderr: one line that changes on a terminal, a line now and then elsewhere."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._is_terminal = sys.stderr.isatty()
        self._last = self._begin = clock()

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        if now - self._last < SHOW_EVERY_S[self._is_terminal]:
            return
        self._last = now
        rate = progress.messages / (now - self._begin)
        line = f"{progress.messages:,} messages, {rate:,.0f}/s"
        typer.echo(f"\r{line}  " if self._is_terminal else line, err=True, nl=not self._is_terminal)

    def end(self) -> None:
        """Leaves the terminal's line behind."""
        if self._is_terminal and self._last > self._begin:
            typer.echo("", err=True)


def _time(text: str) -> int:
    from contracts.times import read_time

    time_us = read_time(text, ("iso",), "UTC")
    if time_us is None:
        raise BadRequest(option("start"), f"{text!r} is no time, write one such as 2026-01-21T10:00:00Z")
    return time_us


def _speed(text: str) -> float | None:
    try:
        speed = None if text == AS_FAST_AS_IT_GOES else float(text)
    except ValueError:
        speed = 0.0
    if speed is not None and not 0.0 < speed < float("inf"):
        raise BadRequest(option("speed"), f"{text!r} is no speed, write 1, 60 or {AS_FAST_AS_IT_GOES}")
    return speed
