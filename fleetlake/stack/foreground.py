"""`fleetlake up` in this process: the stack, its screen, and a JSON log of all that happened."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import Any

from fleetlake.settings import Settings
from fleetlake.sinks import SINKS
from fleetlake.stack.beside import Beside
from fleetlake.stack.layout import layout_of
from fleetlake.stack.local import LocalStack
from fleetlake.stack.logs import open_log
from fleetlake.stack.meter import Meter
from fleetlake.stack.narrate import sentence
from fleetlake.stack.parts import Wanted
from fleetlake.stack.runfile import StackFile, StackState
from fleetlake.stack.screen import Screen, open_screen
from fleetlake.stack.supervisor import Report
from ingest.process import Log, Stop, Ticker, configure_logs, logger
from lake.errors import LakeError
from lake.state import StateStore

COUNT_TIMEOUT_SECONDS = 0.5
COUNT_EVERY_SECONDS = 5.0


def run_stack(*, with_sinks: bool, beside: Beside, is_quiet: bool, wanted: Wanted) -> int:
    """Runs the stack until it is told to stop; returns its exit code."""
    layout = layout_of(Settings().data_dir)
    layout.logs.mkdir(parents=True, exist_ok=True)
    stop = Stop()
    with ExitStack() as opened:
        log = opened.enter_context(open_log(layout.log("stack")))
        configure_logs(stream=opened.enter_context(TextIOWrapper(log, encoding="utf-8")))
        vehicles = VehicleCount()
        opened.callback(vehicles.close)
        screen = open_screen(Meter(layout.run), vehicles, is_quiet=is_quiet)
        opened.callback(screen.close)
        opened.enter_context(stop.on_signals())
        opened.enter_context(on_hangup(stop.request))
        report = reporting(logger("stack"), screen)
        sinks = SINKS if with_sinks else ()
        stack = LocalStack(layout, sinks, report, stop, screen.show, wanted=wanted, beside=beside)
        return stack.run()


def reporting(log: Log, screen: Screen) -> Report:
    """Every event goes to the log; those that concern a person also to the screen, as a sentence."""

    def report(level: str, event: str, **fields: Any) -> None:
        getattr(log, level)(event, **fields)
        text = sentence(event, fields)
        if text is not None:
            screen.note(text)

    return report


class VehicleCount:
    """How many vehicles have a state; asks MongoDB now and then, and never waits for it long."""

    def __init__(self) -> None:
        self._store: StateStore | None = None
        self._ticker = Ticker(COUNT_EVERY_SECONDS)
        self._count: int | None = None

    def __call__(self, file: StackFile) -> int | None:
        if file.state is StackState.RUNNING and self._ticker.due():
            self._count = self._ask()
        return self._count

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    def _ask(self) -> int | None:
        if self._store is None:
            settings = Settings().mongo.model_copy(update={"timeout_s": COUNT_TIMEOUT_SECONDS})
            self._store = StateStore(settings)
        try:
            return self._store.count()
        except LakeError:
            return None


@contextmanager
def on_hangup(request: Callable[[], None]) -> Iterator[None]:
    """Closing the terminal stops the stack, unless it was started with nohup."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        request()

    before = signal.signal(signal.SIGHUP, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
