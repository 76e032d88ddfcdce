"""Slots: stable numbers for the processes of a group, freed by the kernel."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ingest.settings import IngestSettings
from ingest.slots import Abandoned, SlotTaken, lease

HOLDER = """
import sys, time
from pathlib import Path
from ingest.settings import IngestSettings
from ingest.slots import lease
with lease(IngestSettings(runtime_dir=Path(sys.argv[1])), "g") as slot:
    print(slot.number, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def settings(tmp_path: Path) -> IngestSettings:
    return IngestSettings(runtime_dir=tmp_path / "run", shutdown_seconds=0.2)


@contextmanager
def holder(settings: IngestSettings) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Another process with a slot."""
    command = [sys.executable, "-c", HOLDER, str(settings.runtime_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process
        process.kill()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_processes_take_the_lowest_free_slots(settings: IngestSettings) -> None:
    """Three leases are 0, 1, 2; the one given back is the next one taken."""
    with ExitStack() as stack:
        slots = [ExitStack() for _ in range(3)]
        assert [each.enter_context(lease(settings, "g")).name for each in slots] == ["g.0", "g.1", "g.2"]
        for each in slots:
            stack.callback(each.close)
        slots[1].close()
        assert stack.enter_context(lease(settings, "g")).number == 1


def test_groups_do_not_share_slots(settings: IngestSettings) -> None:
    """Each sink counts from 0, also where one group's name begins with another's."""
    with lease(settings, "g") as one, lease(settings, "g.slot-0") as other:
        assert (one.number, other.number) == (0, 0)


def test_a_killed_process_finds_its_slot_again(settings: IngestSettings) -> None:
    """The kernel frees the lock of a process that had no chance to."""
    with holder(settings) as (first, process), holder(settings) as (second, _):
        kill(process)
        with holder(settings) as (third, _):
            assert (first, second, third) == (0, 1, 0)


def test_a_slot_of_the_settings_is_waited_for_and_then_refused(settings: IngestSettings) -> None:
    """Two processes told to be the same one would fence each other for ever."""
    named = settings.model_copy(update={"slot": 5})
    with lease(named, "g") as slot, pytest.raises(SlotTaken, match="slot 5 of g"), lease(named, "g"):
        pytest.fail(f"{slot} was given twice")
    with lease(named, "g") as slot:
        assert slot.number == 5


def test_a_slot_left_by_a_killed_process_is_found_after_a_while_and_once(settings: IngestSettings) -> None:
    """Its restart has precedence; afterwards somebody must clean up, one only."""
    now = [0.0]
    abandoned = Abandoned(settings, "g", patience_seconds=10, clock=lambda: now[0])
    with holder(settings) as (_, process):
        assert list(abandoned.each()) == []
        kill(process)
    assert list(abandoned.each()) == []
    now[0] = 9.9
    assert list(abandoned.each()) == []
    now[0] = 10.0
    assert [slot.name for slot in abandoned.each()] == ["g.0"]
    now[0] = 30.0
    assert list(abandoned.each()) == []


def test_a_slot_taken_over_or_given_back_is_not_abandoned(settings: IngestSettings) -> None:
    """Only a death without a successor is."""
    now = [0.0]
    abandoned = Abandoned(settings, "g", patience_seconds=10, clock=lambda: now[0])
    with holder(settings) as (_, process):
        kill(process)
    assert list(abandoned.each()) == []
    with lease(settings, "g"):
        now[0] = 20.0
        assert list(abandoned.each()) == []
    assert list(abandoned.each()) == []


def test_a_failed_cleaning_is_tried_again(settings: IngestSettings) -> None:
    """The mark goes only when the cleaner came back."""
    with holder(settings) as (_, process):
        kill(process)
    abandoned = Abandoned(settings, "g", patience_seconds=0)
    cleaning = abandoned.each()
    assert next(cleaning).number == 0
    cleaning.close()
    assert [slot.number for slot in abandoned.each()] == [0]
