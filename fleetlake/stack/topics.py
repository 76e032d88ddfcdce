"""The topics of the local stack: there before anything reads or writes them, and read again from their start
where the broker's log may have gone back."""

from collections.abc import Sequence
from dataclasses import dataclass

from broker.topics import Topics, specs_from, wait_ready
from contracts.load import load_registry
from fleetlake.settings import Settings
from fleetlake.stack.progress import begin_again

BOUND_TO_A_LIFE = ("history", "state")
"""Sinks that read a log of another life from its start: their groups' offsets say nothing about it. Routes
goes on at its own: what it sent stands in the same log, and must not be sent twice."""


@dataclass(frozen=True, slots=True)
class PreparedTopics:
    """What was done: topics created, and messages that will be read again."""

    created: Sequence[str]
    read_again: int


def prepare_topics(settings: Settings, *, is_renewed: bool) -> PreparedTopics:
    """Creates what is missing; call while no sink runs. `is_renewed`: the broker began a new life."""
    registry = load_registry(settings.contracts)
    wait_ready(settings.kafka)
    created = Topics(settings.kafka).create(specs_from(registry, settings.kafka))
    read_again = begin_again(settings.kafka, BOUND_TO_A_LIFE, registry.topics()) if is_renewed else 0
    return PreparedTopics(created, read_again)
