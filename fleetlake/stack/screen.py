"""What `fleetlake up` shows: one live screen on a terminal, a plain line now and then elsewhere."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fleetlake.stack.meter import Meter, Reading
from fleetlake.stack.runfile import StackFile
from ingest.process import Ticker

LIVE_SECONDS = 1.0
PLAIN_SECONDS = 5.0
NOTES_SHOWN = 8

CountVehicles = Callable[[StackFile], int | None]


class Screen(Protocol):
    """Where a person watches the stack."""

    def note(self, text: str) -> None:
        """Something happened that concerns them."""

    def show(self, file: StackFile) -> None:
        """Called often; shows the present now and then."""

    def close(self) -> None:
        """The stack has ended."""


def open_screen(
    meter: Meter, vehicles: CountVehicles, *, is_quiet: bool, out: TextIO | None = None
) -> Screen:
    """The screen that fits where the output goes."""
    out = out or sys.stdout
    console = Console(file=out)
    if console.is_terminal and not is_quiet:
        return Watched(LiveScreen(console, meter, vehicles), out)
    return Watched(PlainScreen(out, None if is_quiet else meter, vehicles), out)


class Watched:
    """A screen for as long as somebody can see it: a terminal that was closed, a pipe without a reader and a
    full disk end the showing, and not the stack."""

    def __init__(self, screen: Screen, out: TextIO) -> None:
        self._screen: Screen | None = screen
        self._out = out

    def note(self, text: str) -> None:
        self._do(lambda screen: screen.note(text))

    def show(self, file: StackFile) -> None:
        self._do(lambda screen: screen.show(file))

    def close(self) -> None:
        self._do(lambda screen: screen.close())

    def _do(self, action: Callable[[Screen], None]) -> None:
        if self._screen is None:
            return
        try:
            action(self._screen)
        except OSError:
            self._screen = None
            self._turn_away()

    def _turn_away(self) -> None:
        """What is still buffered must not fail once more when this process ends."""
        with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), self._out.fileno())


class PlainScreen:
    """Lines; without a meter only what happens, no numbers."""

    def __init__(self, out: TextIO, meter: Meter | None, vehicles: CountVehicles) -> None:
        self._out, self._meter, self._vehicles = out, meter, vehicles
        self._ticker = Ticker(PLAIN_SECONDS)
        self._last = ""

    def note(self, text: str) -> None:
        self._write(text)

    def show(self, file: StackFile) -> None:
        if self._meter is None or not self._ticker.due():
            return
        line = status_line(file, self._meter.read(), self._vehicles(file))
        if line != self._last:
            self._write(line)
            self._last = line

    def close(self) -> None:
        self._out.flush()

    def _write(self, line: str) -> None:
        self._out.write(f"{time.strftime('%H:%M:%S')} {line}\n")
        self._out.flush()


class LiveScreen:
    """One screen that is drawn anew."""

    def __init__(self, console: Console, meter: Meter, vehicles: CountVehicles) -> None:
        self._meter, self._vehicles = meter, vehicles
        self._ticker = Ticker(LIVE_SECONDS)
        self._notes: list[str] = []
        self._file: StackFile | None = None
        self._reading = Reading()
        self._count: int | None = None
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._live.start()

    def note(self, text: str) -> None:
        self._notes = [*self._notes, f"{time.strftime('%H:%M:%S')} {text}"][-NOTES_SHOWN:]
        self._draw()

    def show(self, file: StackFile) -> None:
        self._file = file
        if self._ticker.due():
            self._reading, self._count = self._meter.read(), self._vehicles(file)
            self._draw()

    def _draw(self) -> None:
        notes: RenderableType = Text("\n".join(self._notes))
        if self._file is not None:
            notes = draw(self._file, self._reading, self._count, self._notes, time.time())
        self._live.update(notes, refresh=True)

    def close(self) -> None:
        self._live.stop()
        for note in self._notes[-1:]:
            self._live.console.print(note)


def status_line(file: StackFile, reading: Reading, vehicles: int | None) -> str:
    """The present in one line."""
    parts = [file.state.value]
    for name, numbers in sorted(reading.sinks.items()):
        parts.append(f"{name} {reading.rates.get(name, 0.0):,.0f}/s behind {numbers.total_lag:,}")
    rejected = max((numbers.total_rejected for numbers in reading.sinks.values()), default=0)
    parts.append(f"rejected {rejected:,}")
    parts.append(f"vehicles {'?' if vehicles is None else f'{vehicles:,}'}")
    parts.append(f"restarts {sum(process.restarts for process in file.processes)}")
    return " | ".join(parts)


def draw(file: StackFile, reading: Reading, vehicles: int | None, notes: list[str], now: float) -> Group:
    """The present as a screen."""
    numbered = ("pid", "up", "restarts", "messages/s", "behind", "rejected")
    processes = Table("process", "state", *numbered, box=None)
    for column in processes.columns[2:]:
        column.justify = "right"
    for process in file.processes:
        numbers = reading.sinks.get(process.name)
        processes.add_row(
            process.name,
            Text(process.state, style="green" if process.state == "running" else "yellow"),
            str(process.pid or ""),
            _duration(now - process.started) if process.pid else "",
            str(process.restarts),
            "" if numbers is None else f"{reading.rates.get(process.name, 0.0):,.0f}",
            "" if numbers is None else f"{numbers.total_lag:,}",
            "" if numbers is None else f"{numbers.total_rejected:,}",
        )
    known = "?" if vehicles is None else f"{vehicles:,}"
    head = Text.assemble(
        ("Fleetlake ", "bold"),
        f"{file.state.value}, vehicles {known}\n",
        f"kafka {file.kafka}   mongo {file.mongo}   lake {file.lake}\n",
    )
    return Group(head, processes, Text("\n" + "\n".join(notes)), Text("Ctrl-C stops the stack", style="dim"))


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(max(0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
