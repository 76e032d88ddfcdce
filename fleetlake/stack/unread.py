"""Why messages may wait for ever: a running stack's sinks know the contracts of their start, and `up` may run
without sinks. Whoever waits, asks or examines gets it said in a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.registry import Registry
from fleetlake.settings import Settings, is_explicit
from fleetlake.sinks import SINKS
from fleetlake.stack.layout import layout_of
from fleetlake.stack.observe import cards
from fleetlake.stack.runfile import StackFile, StackState, read_stack

RESTART = "`fleetlake down` and `fleetlake up` with FLEETLAKE_CONTRACTS set"
START_SINKS = "`fleetlake ingest` starts them"


@dataclass(frozen=True, slots=True)
class Hindrance:
    """What keeps messages from being read, and what a person can do. `is_chosen`: somebody wanted it so."""

    fact: str
    action: str
    is_chosen: bool = False

    def __str__(self) -> str:
        return f"{self.fact}: {self.action}"


def hindrance(settings: Settings, registry: Registry) -> Hindrance | None:
    """What hinders the stack that runs in the data folder. None where none runs, or where another Kafka than
    the stack's is named: who reads there is not known here."""
    stack = read_stack(layout_of(settings.data_dir))
    if stack is None or not stack.is_running or settings.kafka.bootstrap_servers != stack.kafka:
        return None
    return no_sinks(settings, stack) or unread(stack, registry)


def no_sinks(settings: Settings, stack: StackFile) -> Hindrance | None:
    """Whether nobody reads: no sink of the stack, and none that was started beside it."""
    has_own = stack.state is not StackState.RUNNING or any(p.name in SINKS for p in stack.processes)
    if has_own or is_explicit("kafka", "bootstrap_servers") or cards(layout_of(settings.data_dir).run):
        return None
    return Hindrance("no sink runs (the stack was started with --no-ingest)", START_SINKS, is_chosen=True)


def unread(stack: StackFile, registry: Registry) -> Hindrance | None:
    """Source topics of these contracts that the stack's sinks were not started with."""
    if stack.topics is None:
        return None
    topics = [topic for topic in registry.topics() if topic not in stack.topics]
    if not topics:
        return None
    fact = f"the running sinks do not read {', '.join(topics)} ({_added(topics, registry)})"
    return Hindrance(fact, RESTART)


def _added(topics: Sequence[str], registry: Registry) -> str:
    owners = [registry.for_topic(topic) for topic in topics]
    names = list(dict.fromkeys(owner.name for owner in owners if owner is not None))
    was_or_were = "contract {} was" if len(names) == 1 else "contracts {} were"
    return f"{was_or_were.format(', '.join(names))} added after they started"
