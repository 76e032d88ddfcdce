"""A store that takes no rows is borne for as long as patience lasts, and named when it ends."""

from collections.abc import Callable

import pytest

from ingest.process import logger
from ingest.store_trouble import StoreTrouble
from lake.errors import AccessDenied, LakeError, StoreFull, StoreUnavailable

DENIED = AccessDenied("lake", "s3://fleet", "AccessDenied for bucket fleet")


class Clock:
    """Moves when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def trouble(clock: Clock, check: Callable[[], object] = lambda: None) -> StoreTrouble:
    """With a minute of patience."""
    return StoreTrouble(check, 60.0, logger("history"), clock)


def denied() -> None:
    raise DENIED


@pytest.mark.parametrize(
    ("cause", "check", "ends_with"),
    [
        (OSError("no answer"), denied, AccessDenied),
        (OSError("no answer"), lambda: None, StoreUnavailable),
        (StoreUnavailable("lake", "s3://fleet", "away"), lambda: None, StoreUnavailable),
        (StoreFull("lake", 0), denied, StoreFull),
    ],
)
def test_patience_counts_from_what_was_to_land_first(
    clock: Clock, cause: LakeError | OSError, check: Callable[[], object], ends_with: type[LakeError]
) -> None:
    """Whatever failed in between, and the end has the store's own reason."""
    bearing = trouble(clock, check)
    bearing.waiting()
    for clock.now in (1.0, 30.0, 60.0):
        bearing.waiting()
        bearing.bear(cause)
    clock.now = 60.5
    with pytest.raises(ends_with):
        bearing.bear(cause)


def test_what_landed_makes_up_for_all_before(clock: Clock) -> None:
    """A store that fails now and then is none that is away."""
    bearing = trouble(clock)
    for clock.now in (0.0, 50.0, 100.0, 150.0):
        bearing.waiting()
        bearing.bear(OSError("cut"))
        bearing.over()


def test_a_single_failure_asks_nobody(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """The question itself costs time while messages wait."""
    bearing = trouble(clock, denied)
    bearing.bear(OSError("cut"))
    assert "AccessDenied" not in capsys.readouterr().out
    clock.now = 3.0
    bearing.bear(OSError("cut"))
    assert "AccessDenied" in capsys.readouterr().out
