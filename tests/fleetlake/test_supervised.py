"""What a process tells its supervisor of its end."""

import threading
from collections.abc import Iterator

import pytest

from fleetlake import supervised
from fleetlake.failures import OperatorMustAct
from fleetlake.stack.lifeline import ChildEnd, ParentEnd
from fleetlake.supervised import ending_with_reason
from ingest.alerts.errors import RulesMissing


@pytest.fixture
def orphaned(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set in place of the stop of the test's own process."""
    event = threading.Event()
    monkeypatch.setattr(supervised, "stop_myself", event.set)
    return event


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch, orphaned: threading.Event) -> Iterator[ParentEnd]:
    """The supervisor's end of a line to this process."""
    end = ParentEnd()
    monkeypatch.setattr(supervised, "ChildEnd", lambda: ChildEnd(end.child_stdin()))
    yield end
    end.close()
    assert orphaned.wait(10)


def test_a_crash_is_told_and_raised_as_it_is(parent: ParentEnd) -> None:
    """Its supervisor starts it again."""
    with pytest.raises(RuntimeError), ending_with_reason(supervised=True):
        raise RuntimeError("no luck")  # noqa: EM101
    assert parent.reason() == "RuntimeError: no luck"


def test_what_a_restart_does_not_cure_is_raised_as_such(parent: ParentEnd) -> None:
    """And told under its own name."""
    with pytest.raises(OperatorMustAct) as raised, ending_with_reason(supervised=True):
        raise RulesMissing
    assert isinstance(raised.value.reason, RulesMissing)
    assert (parent.reason() or "").startswith("RulesMissing: ")


def test_without_a_supervisor_only_the_caller_is_told(orphaned: threading.Event) -> None:
    """Nothing is read from whatever its standard input is."""
    with pytest.raises(OperatorMustAct), ending_with_reason(supervised=False):
        raise RulesMissing
    assert not orphaned.is_set()
