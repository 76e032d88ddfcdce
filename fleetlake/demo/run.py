"""The demo from nothing to a proof: stack, use cases, recorded drives, simulated traffic, answers, audit.

It may run again and again in one folder: the history then holds every run, because each message that was sent
is a row; use cases and drives end in the same state, because events already known change nothing.
"""

import shlex
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from contracts.load import load_registry
from fleetlake.demo.answers import Answers, Before
from fleetlake.demo.plan import DRIVES, USE_CASE_SOURCE, USE_CASE_VEHICLE, USE_CASES, Traffic
from fleetlake.demo.send import Sender
from fleetlake.demo.stage import Narrator
from fleetlake.demo.traffic import MOVING, VEHICLES, start_traffic
from fleetlake.demo.verdicts import Verdict
from fleetlake.materialize import bring_up_to_date
from fleetlake.settings import DEFAULT_DATA_DIR, Settings
from fleetlake.stack.beside import Beside
from fleetlake.stack.control import start_detached, stop_stack
from fleetlake.stack.layout import layout_of
from fleetlake.stack.progress import KafkaLog, routes_of
from fleetlake.stack.runfile import is_held, read_stack
from fleetlake.stack.waiting import wait_until_done
from lake.state import StateStore
from orchestration.materialize import Outcome

WAIT_SECONDS = 120.0
TERMINATED = 143
PLAIN_WIDTH = 120

LOOK_FURTHER = (
    ("state", USE_CASE_VEHICLE, "--as", USE_CASE_SOURCE),
    ("sql", "select source, error, count(*) as messages from bronze.events group by all order by all"),
    ("sql", "select * from gold.trips order by distance_km desc"),
    ("deadletters", "list"),
    ("audit",),
    ("status",),
)


class Demo:
    """The stages, in order."""

    def __init__(self, narrator: Narrator, traffic: Traffic) -> None:
        self.narrator, self.traffic = narrator, traffic

    def run(self, *, keep: bool) -> int:
        """Returns 0 when every claim holds. Stops the stack it started, unless it is to be kept."""
        is_ours = not is_held(layout_of(Settings().data_dir))
        with ExitStack() as cleanup:
            self._start(is_ours, stays=keep)
            if is_ours and not keep:
                cleanup.callback(lambda: self.narrator.say(stop_stack()))
            settings = Settings()
            registry = load_registry(settings.contracts)
            store = cleanup.enter_context(StateStore(settings.mongo))
            answers = Answers(settings, registry, store)
            sender = Sender(settings.kafka, registry)
            before = self._look(answers)
            self._use_cases(sender)
            self._drives(sender)
            self._simulate(sender)
            self._wait(settings, answers)
            made = self._make_tables(settings)
            verdicts = self._check(sender, answers, before, made)
            if keep:
                self._go_on(settings)
            self._summarise(verdicts, before, store.count(), stays=keep or not is_ours)
        return 0 if all(verdict.holds for verdict in verdicts) else 1

    def _start(self, is_ours: bool, *, stays: bool) -> None:
        explanation = "An embedded Kafka and MongoDB, the topics, and one process for each sink."
        with self.narrator.stage("Start the local stack", explanation, [command("up", "--detach")]):
            if not is_ours:
                self.narrator.say("it runs already, and is used as it is")
                return
            settings = Settings()
            beside = Beside(dagster=stays and settings.dagster.in_stack, http=settings.http.in_stack)
            for line in start_detached(with_sinks=True, beside=beside):
                self.narrator.say(line)

    def _look(self, answers: Answers) -> Before:
        """What is there before anything is sent, once the sinks have done what was left."""
        routes = routes_of(answers.registry)
        wait_until_done(KafkaLog(answers.settings.kafka), routes, WAIT_SECONDS)
        before = answers.before()
        rows = sum(before.counts.rows.values())
        if rows:
            self.narrator.say(f"the lake holds {rows:,} rows of earlier runs; below only this run is counted")
        return before

    def _use_cases(self, sender: Sender) -> None:
        files = [messages for messages, _ in USE_CASES.values()]
        explanation = (
            "Vehicle 981 sends one signal a message. In use case 2 a speed arrives late: by event time the "
            "speed is 25, by order of arrival it would be 65."
        )
        commands = [command("replay", str(file), "--source", USE_CASE_SOURCE) for file in files]
        with self.narrator.stage("Replay both use cases", explanation, commands):
            for file in files:
                self.narrator.say(f"{sender.replay(USE_CASE_SOURCE, [file])} messages of {file.name}")

    def _drives(self, sender: Sender) -> None:
        files = [drive.file for drive in DRIVES]
        explanation = (
            "Four drives of a Renault Twizy, one row a second (RSK dataset, CC-BY-4.0). The clock of their "
            "logger glitches: 66 rows have impossible dates and become dead letters."
        )
        commands = [command("replay", *map(str, files), "--source", "twizy")]
        with self.narrator.stage("Replay four real drives", explanation, commands):
            self.narrator.say(f"{sender.replay('twizy', files):,} messages of {len(files)} drives")

    def _simulate(self, sender: Sender) -> None:
        traffic = self.traffic
        explanation = (
            "Vehicles of all five systems at once, with physics. A share of the messages is broken, late, "
            "doubled or out of order, and it is known which."
        )
        options = ["--rate", f"{traffic.rate:g}", "--invalid", f"{traffic.invalid:g}"]
        commands = [command("simulate", *options, "--count", str(traffic.count))]
        title = f"Simulate {traffic.seconds:g} s of mixed traffic with bad input"
        with self.narrator.stage(title, explanation, commands):
            self.narrator.say(f"{sender.simulate(traffic, time.time_ns() // 1000):,} messages")

    def _wait(self, settings: Settings, answers: Answers) -> None:
        explanation = "Every sink reads on until it has reached the log's end as it is now."
        with self.narrator.stage("Wait", explanation, [command("wait")]):
            wait_until_done(KafkaLog(settings.kafka), routes_of(answers.registry), WAIT_SECONDS)
            self.narrator.say("history, state and routes have done everything")

    def _make_tables(self, settings: Settings) -> list[Outcome]:
        explanation = (
            "Dagster turns messages into silver.signals, each reading once, and these into trips, charging, "
            "anomalies and other marts: the days that are due, and checks of each table."
        )
        with self.narrator.stage("Make silver and the marts", explanation, [command("materialize")]):
            rows: Counter[str] = Counter()
            made = bring_up_to_date(settings, lambda told: rows.update({told.asset: told.rows}))
            self.narrator.say(", ".join(f"{table} {count:,}" for table, count in rows.items() if count))
            return made

    def _check(
        self, sender: Sender, answers: Answers, before: Before, made: Sequence[Outcome]
    ) -> list[Verdict]:
        explanation = "Counts and answers are read back from the lake, MongoDB and Kafka, and compared."
        with self.narrator.stage("Check", explanation, [command("audit")]):
            return list(answers.judge(sender.expected, before, made))

    def _go_on(self, settings: Settings) -> None:
        """Traffic for who looks at the live page."""
        layout = layout_of(settings.data_dir)
        stack = read_stack(layout)
        if stack is None or stack.api is None:
            return
        start_traffic(layout)
        self.narrator.say(f"{VEHICLES * len(MOVING)} vehicles drive on: {stack.api} shows them")

    def _summarise(self, verdicts: list[Verdict], before: Before, vehicles: int, *, stays: bool) -> None:
        self.narrator.verdicts(verdicts)
        self.narrator.say(f"{vehicles:,} vehicles have a state")
        if before.counts.rows:
            self.narrator.say(
                "This was another run in the same folder: every message sent is one more row of the history, "
                "so its rows add up. The events of use cases and drives were known already: their state is "
                "the same as after the first run."
            )
        self.narrator.heading("Look further")
        further = LOOK_FURTHER if stays else (("up", "--detach"), *LOOK_FURTHER)
        for words in (*further, ("down",)):
            self.narrator.say(f"$ {command(*words)}")
        outcome = "everything holds" if all(v.holds for v in verdicts) else "[red]not everything holds[/red]"
        self.narrator.heading(f"{outcome} ({self.narrator.seconds:.0f} s)")


def command(*words: str) -> str:
    """A command line to copy, with the data folder if it is not the default one."""
    folder = Settings().data_dir.absolute()
    option = [] if folder == DEFAULT_DATA_DIR.absolute() else ["--data-dir", str(folder)]
    return shlex.join([program(), *words, *option])


def program() -> str:
    """The command as this user can type it."""
    called = Path(sys.argv[0])
    is_typed = called.name == "fleetlake" and shutil.which("fleetlake") is None
    return str(called) if is_typed else "fleetlake"


def run_demo(*, keep: bool, steps: bool) -> int:
    """What `fleetlake demo` does; Ctrl-C and SIGTERM end it, and the stack that it started."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    narrator = Narrator(console, steps=steps)
    with _ending_on_sigterm():
        return Demo(narrator, Traffic()).run(keep=keep)


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
