"""What a person sees of a running stack."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from fleetlake.stack import narrate
from fleetlake.stack.meter import Meter, Reading
from fleetlake.stack.observe import SinkNumbers
from fleetlake.stack.runfile import ProcessEntry, StackFile, StackState
from fleetlake.stack.screen import draw, open_screen, status_line

SINK = SinkNumbers(records=1500, rejected={"bad_time": 7}, lag={"t/0": 20, "t/1": 3}, processes=1)
FILE = StackFile(
    "127.0.0.1:1",
    "mongodb://x",
    "lake",
    None,
    1,
    0.0,
    StackState.RUNNING,
    (
        ProcessEntry("history", 42, 100.0, restarts=2, state="running"),
        ProcessEntry("routes", 0, 0.0, 1, "waiting"),
    ),
)


def test_rates_are_what_happened_between_two_looks() -> None:
    """And a counter that fell belongs to a new process."""
    looks = iter([{}, {"history": 1000}, {"history": 1500}, {"history": 300}])
    times = iter([0.0, 1.0, 2.0, 4.0, 5.0])

    def look(run: Path) -> dict[str, SinkNumbers]:
        return {name: SinkNumbers(records=count) for name, count in next(looks).items()}

    meter = Meter(Path(), clock=lambda: next(times), look=look)
    assert [meter.read().rates for _ in range(4)] == [{}, {}, {"history": 250.0}, {"history": 300.0}]


def test_one_line_says_how_the_stack_is() -> None:
    """Rates, lag, rejected, vehicles and restarts."""
    line = status_line(FILE, Reading({"history": SINK}, {"history": 250.0}), 1234)
    assert line == "running | history 250/s behind 23 | rejected 7 | vehicles 1,234 | restarts 3"


def test_the_live_screen_shows_every_process_and_what_happened() -> None:
    """Also those that do not run now."""
    console = Console(file=io.StringIO(), width=120)
    console.print(
        draw(FILE, Reading({"history": SINK}, {"history": 250.0}), None, ["12:00 it happened"], 190.0)
    )
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "127.0.0.1:1" in shown
    assert "12:00 it happened" in shown
    history = next(line for line in shown.splitlines() if line.startswith(" history"))
    assert history.split() == ["history", "running", "42", "0:01:30", "2", "250", "23", "7"]
    assert any("routes" in line and "waiting" in line for line in shown.splitlines())


def test_lines_are_written_where_there_is_no_terminal() -> None:
    """A line of numbers when they changed, and at once what concerns a person."""
    out = io.StringIO()
    looks = iter([{"history": SINK}])
    meter = Meter(Path(), look=lambda run: next(looks))
    screen = open_screen(meter, lambda file: 5, is_quiet=False, out=out)
    screen.note("something happened")
    screen.show(FILE)
    screen.show(FILE)
    first, second = out.getvalue().splitlines()
    assert first.endswith(" something happened")
    assert "vehicles 5" in second


def test_who_looks_away_ends_nothing() -> None:
    """A pipe whose reader is gone: nothing is raised, now, later or when the process ends."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as out:
        screen = open_screen(Meter(Path()), lambda file: 5, is_quiet=True, out=out)
        screen.note("something happened")
        screen.show(FILE)
        screen.note("something else")
        screen.close()
        out.write("what comes now goes nowhere")


@pytest.mark.parametrize(
    ("event", "fields", "words"),
    [
        (
            "process_crashed",
            {"process": "state", "how": "was killed by SIGKILL", "reason": None, "restart_in_s": 2.0},
            "state was killed by SIGKILL; started again in 2 s",
        ),
        (
            "process_needs_operator",
            {"process": "history", "how": "ended with exit code 3", "reason": "do this"},
            "history needs you: do this",
        ),
        ("history_lands_again", {"messages": 1200}, "history will land 1,200 messages again"),
    ],
)
def test_what_concerns_a_person_is_a_sentence(event: str, fields: dict[str, object], words: str) -> None:
    """In words, with the reason."""
    assert narrate.sentence(event, fields) == words


def test_what_only_the_log_needs_is_no_sentence() -> None:
    """A start is no news."""
    assert narrate.sentence("process_started", {"process": "state"}) is None
