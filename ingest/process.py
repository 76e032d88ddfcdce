"""What every sink process has in common: logs, metrics, a clean stop, and knowing when it has caught up."""

import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Self, TextIO, TypeVar, cast

import structlog
from prometheus_client import start_http_server

from broker.errors import Transient
from broker.record import TopicPartition
from ingest.metrics import SinkMetrics
from ingest.settings import IngestSettings

Log = structlog.stdlib.BoundLogger

COLLECT_AFTER_OBJECTS = 100_000
RETRY_SECONDS = 0.2

T = TypeVar("T")


class StoppedBeforeStart(Exception):
    """A stop was requested while a process still waited for its surroundings: there is nothing to finish."""


@dataclass
class Stop:
    """A request to finish: set by SIGTERM, Ctrl-C or a test."""

    clock: Callable[[], float] = time.monotonic
    _event: threading.Event = field(default_factory=threading.Event)
    _since: float | None = None

    def request(self) -> None:
        if self._since is None:
            self._since = self.clock()
        self._event.set()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def overdue(self, seconds: float) -> bool:
        """Whether a stop was requested more than `seconds` ago."""
        return self._since is not None and self.clock() - self._since > seconds

    def wait(self, seconds: float) -> bool:
        """Sleeps for `seconds` or until a stop is requested; returns whether it was."""
        return self._event.wait(seconds)

    def sleep(self, seconds: float) -> None:
        """For waits before the work begins: a stop ends them with StoppedBeforeStart."""
        if self.wait(seconds):
            raise StoppedBeforeStart

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT request a stop instead of ending the process, while the block runs."""

        def handle(number: int, frame: FrameType | None) -> None:
            del number, frame
            self.request()

        before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def answered(ask: Callable[[], T], stop: Stop, log: Log) -> T:
    """Asks until Kafka answers, before the work begins: a broker that has just come back knows its topics
    before it leads them. Raises StoppedBeforeStart if a stop comes first."""
    while True:
        try:
            return ask()
        except Transient as error:
            log.warning("broker_away", reason=str(error))
        stop.sleep(RETRY_SECONDS)


Checkpoints = Mapping[TopicPartition, int | None]
"""Where a group stands, whichever of its processes got there; None where it stands nowhere yet."""


@dataclass(frozen=True, slots=True)
class Target:
    """The log ends that `--until-caught-up` waits for, as they were when the process began."""

    ends: Mapping[TopicPartition, int]
    refused: Checkpoints = field(default_factory=dict)
    """Those that cannot be gone on from, like one behind its log's end. They are reached by no number: who
    owns the partition ends with an error, or moves them."""

    @classmethod
    def after(cls, checkpoints: Checkpoints, ends: Mapping[TopicPartition, int]) -> Self:
        """Of checkpoints that were asked for before the ends: a log cannot have grown shorter since."""
        return cls(ends, {key: found for key, found in checkpoints.items() if (found or 0) > ends[key]})

    def reached(self, checkpoints: Checkpoints) -> bool:
        """Whether everything before the ends is done; an empty partition needs no checkpoint."""
        return all((checkpoints.get(key) or 0) >= end for key, end in self.ends.items()) and not any(
            checkpoints.get(key) == refused for key, refused in self.refused.items()
        )


def collect_garbage_seldom() -> None:
    """For a process that holds tens of thousands of messages at a time: Python would look through them for
    cycles, which they do not have, after every 700; an eighth of a sink's time went there."""
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 20)


class LossyStream:
    """A line that cannot be written (a full disk, a closed terminal) is lost, and ends nobody's work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def configure_logs(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """JSON lines on stderr (or `stream`), one event a line: `{"event": ..., "level": ..., "time": ...}`."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", LossyStream(stream or sys.stderr))),
        cache_logger_on_first_use=False,
    )


def logger(sink: str) -> Log:
    """The log of one sink; every line carries its name and process id."""
    log: Log = structlog.get_logger().bind(sink=sink, pid=os.getpid())
    return log


@contextmanager
def serving_metrics(metrics: SinkMetrics, settings: IngestSettings) -> Iterator[int | None]:
    """Serves Prometheus while the block runs; the port is written to `<runtime_dir>/<sink>-<pid>.json`."""
    if settings.metrics_port is None:
        yield None
        return
    server, thread = start_http_server(
        settings.metrics_port, addr=settings.metrics_host, registry=metrics.registry
    )
    port = int(server.server_port)
    card = _card(metrics.sink, settings)
    try:
        if card is not None:
            write_atomically(card, json.dumps({"sink": metrics.sink, "pid": os.getpid(), "port": port}))
        yield port
    finally:
        if card is not None:
            card.unlink(missing_ok=True)
        server.shutdown()
        server.server_close()
        thread.join()


def write_atomically(path: Path, text: str) -> None:
    """Replaces a small file at once: readers see the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # a file that is empty after a power cut would be worse than the old one
    draft.replace(path)


class Ticker:
    """True once per period: `due()` is asked in a loop that has other work."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._next = clock()

    def due(self) -> bool:
        """Whether the period has passed since this was last true; true at first."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True

    def restart(self) -> None:
        """Begins a new period now."""
        self._next = self._clock() + self._seconds


def _card(sink: str, settings: IngestSettings) -> Path | None:
    return None if settings.runtime_dir is None else settings.runtime_dir / f"{sink}-{os.getpid()}.json"
