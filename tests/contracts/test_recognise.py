"""What the recognition of sources remembers is bounded, whatever names come."""

from collections.abc import Callable

import pytest

from contracts.load import load_registry
from contracts.model import Contract
from contracts.reasons import Reason
from contracts.recognise import Recogniser
from contracts.result import Refused
from tests.memory import growth

CONTRACTS = load_registry().contracts.values()
MOST_BYTES = 20 * 1024 * 1024


def many_names(number: int) -> list[str]:
    """A combination that is remembered."""
    return [f"{number}n{index}" for index in range(250)]


def wide_names(number: int) -> list[str]:
    """Few characters, and each of four bytes."""
    return [f"{number}" + "\U0001f697" * 4_000]


@pytest.mark.parametrize(("names_of", "count"), [(many_names, 1_500), (wide_names, 2_500)])
def test_a_storm_of_names_leaves_little_behind(names_of: Callable[[int], list[str]], count: int) -> None:
    """Each combination for itself is one that may be remembered."""
    recogniser = Recogniser(CONTRACTS)
    with growth() as kept:
        for number in range(count):
            found = recogniser.recognise(names_of(number))
            assert isinstance(found, Refused)
            assert found.reason == Reason.UNKNOWN_SOURCE
        assert kept() < MOST_BYTES


def test_names_as_long_as_messages_are_not_remembered() -> None:
    """What they are is said all the same, the second time as the first."""
    recogniser = Recogniser(CONTRACTS)
    known = ["vehicle_id", "timestamp", "speed"]
    with growth() as kept:
        for number in range(100):
            long = f"{number}" + "x" * 200_000
            first, second = (recogniser.recognise([*known, long]) for _ in range(2))
            assert isinstance(first, Contract)
            assert first is second
        assert kept() < 1_000_000
