"""Topics that are deleted and made again under the same name: offsets begin anew and mean other messages."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from tests.faults.case import Outcome, case
from tests.faults.faults import Faults
from tests.faults.rig.record import LIFE, PLACE
from tests.faults.rig.sinks import SinkProcess
from tests.faults.rig.site import BEFORE_NOW_MS, Load, Plan, Site, eventually
from tests.faults.rig.topics import TopicAdmin, end_sinks
from tests.faults.rig.traffic import TCU, TOPICS, Traffic
from tests.faults.rig.verdict import Verdict, bronze_rows

MESSAGES = 100_000
RATE = 3_000.0
OLDER_MS = 1_800_000
PATIENCE_SECONDS = 120.0
SMALL_BUFFER = {"FLEETLAKE_INGEST__BUFFER_BYTES": "65536"}


@case(
    "Topics",
    "All source topics deleted and made again while history, state and routes run: every message of both "
    "lives is landed once under the id of its own topic, though their offsets are the same; states, dead "
    "letters, anomalies and maxima are those of both lives, and older messages of the second change no newer "
    "state of the first",
)
def topics_made_again_while_sinks_run(site: Site, scale: float) -> Outcome:
    """The second life is older in event time: what the state has of the first must stay."""
    topics = TopicAdmin(site)
    site.start_sinks()
    count = int(MESSAGES * scale)
    first = _load(site, topics, count)
    first.finish()
    site.wait()
    for topic in TOPICS.values():
        topics.delete(topic)
    site.command("topics", "create")
    second = _load(site, topics, count, Traffic(site.began_ms - BEFORE_NOW_MS - OLDER_MS, seed=2))
    second.finish()
    recovery = site.wait()
    return Outcome(recovery_s=recovery, facts=_lives(first, second), broken=_must_differ(first, second))


@case(
    "Topics",
    "A topic deleted and made again while all sinks are down: what they had done of its first life stays, "
    "the second is landed whole under its own id; messages that nobody had read are gone with the topic and "
    "leave no trace, no dead letter and no state",
)
def topic_made_again_while_sinks_are_down(site: Site, scale: float) -> Outcome:
    """What is sent between the sinks' end and the topic's is acknowledged and must not appear anywhere."""
    topics = TopicAdmin(site)
    site.start_sinks()
    count = int(MESSAGES * scale)
    first = _load(site, topics, count)
    first.finish()
    site.wait()
    end_sinks(site)
    unread = _load(site, topics, count // 5, Traffic(site.began_ms, sources=("tcu",)))
    gone = unread.finish()["acknowledged"]
    unread.is_gone = lambda topic, partition, offset: True
    topics.make_again(TCU)
    second = _load(site, topics, count, Traffic(site.began_ms - BEFORE_NOW_MS - OLDER_MS, seed=2))
    site.start_sinks()
    second.finish()
    recovery = site.wait()
    facts = {"gone unread": f"{gone:,}", **_lives(first, second)}
    return Outcome(recovery_s=recovery, facts=facts, broken=_must_differ(first, second))


@case(
    "Topics",
    "A topic deleted and made again while history stands still with a full buffer and paused partitions, and "
    "state before a MongoDB that does not answer, because both stores are frozen: history keeps of each "
    "partition of the first life what it had committed, the rest is gone with the topic; the second life is "
    "landed whole; nothing is doubled. The audit names the dead letters and states whose message the history "
    "does not have; after `fleetlake state rebuild` the state is the history's, and only those dead letters "
    "remain",
    Plan(
        proxied=("store", "mongo"),
        settings={
            "FLEETLAKE_KAFKA__SESSION_TIMEOUT_MS": "6000",
            "FLEETLAKE_KAFKA__MAX_POLL_INTERVAL_MS": "10000",
        },
    ),
)
def topic_made_again_under_full_buffers(site: Site, scale: float) -> Outcome:
    """Compares by itself: what of the first life had been committed is known only afterwards."""
    topics = TopicAdmin(site)
    history = site.sinks.add("history", environment=SMALL_BUFFER)
    site.start_sinks("state", "routes")
    state = site.sinks.of("state")[0]
    count = int(MESSAGES * scale)
    first = _load(site, topics, count)
    first.finish()
    site.wait()
    for proxy in site.proxies.values():
        proxy.set(Faults(freeze=True))
    stuck = _load(site, topics, count // 2, Traffic(site.began_ms - BEFORE_NOW_MS // 2, sources=("tcu",)))
    stuck.finish()
    _await(history, "fleetlake_paused")
    _await(state, "fleetlake_uncommitted_records")
    eventually(lambda: not topics.behind("routes", TCU), PATIENCE_SECONDS, "routes has read it all")
    topics.make_again(TCU)
    for proxy in site.proxies.values():
        proxy.heal()
    second = _load(site, topics, count, Traffic(site.began_ms - BEFORE_NOW_MS - OLDER_MS, seed=2))
    second.finish()
    recovery = site.wait()
    lost = _unlanded(site, stuck)
    before = site.audit()
    site.command("state", "rebuild")
    verdict = _judged(site, stuck, lost)
    facts = {
        "acknowledged of the stuck": f"{stuck.spec.count:,}",
        "of them gone": f"{lost.count:,}",
        "problems before the rebuild": ", ".join(sorted(before["problem_counts"])) or "none",
        **_lives(first, second),
    }
    broken = [*_must_differ(first, second), *lost.torn]
    if not lost.count:
        broken.append("nothing was stuck")
    return Outcome(recovery_s=recovery, facts=facts, broken=tuple(broken), verdict=verdict)


@dataclass(frozen=True)
class Lost:
    """Places of a life that history does not have; `torn` are partitions in which it has later ones."""

    places: frozenset[tuple[str, int, int]]
    torn: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.places)


def _unlanded(site: Site, load: Load) -> Lost:
    """What of a load is not in bronze."""
    of_life = pl.col(LIFE) == load.lives[TCU]
    landed = set(bronze_rows(*site.lake).filter(of_life).select(PLACE).iter_rows())
    wanted = set(site.record().messages.filter(of_life).select(PLACE).iter_rows())
    lost = frozenset(wanted - landed)
    torn = tuple(
        f"{topic}/{partition} offset {offset} is missing between landed ones"
        for topic, partition, offset in sorted(lost)
        if (topic, partition, offset + 1) in landed
    )
    return Lost(lost, torn)


def _judged(site: Site, stuck: Load, lost: Lost) -> Verdict:
    """Rows and states against what could be landed, letters against all: routes had read them all."""
    everything = site.verdict()
    stuck.is_gone = lambda topic, partition, offset: (topic, partition, offset) in lost.places
    verdict = site.verdict()
    verdict.acknowledged = everything.acknowledged
    for name in ("missing", "doubled"):
        setattr(verdict, f"dead_letters_{name}", getattr(everything, f"dead_letters_{name}"))
        setattr(verdict, f"anomalies_{name}", getattr(everything, f"anomalies_{name}"))
    verdict.audit_ok = set(site.audit()["problem_counts"]) <= {"dead_letter_stray"}
    return verdict


def _await(member: SinkProcess, metric: str) -> None:
    eventually(lambda: member.metric(metric), PATIENCE_SECONDS, f"{metric} of {member.sink}")


def _load(site: Site, topics: TopicAdmin, count: int, traffic: Traffic | None = None) -> Load:
    """A load that knows which life of each topic it writes to."""
    load = site.load(count, RATE, traffic=traffic)
    load.lives = topics.lives(*TOPICS.values())
    return load


def _lives(first: Load, second: Load) -> Mapping[str, int]:
    return {"topics with two lives": sum(first.lives[topic] != second.lives[topic] for topic in first.lives)}


def _must_differ(first: Load, second: Load) -> tuple[str, ...]:
    return () if first.lives[TCU] != second.lives[TCU] else (f"{TCU} was not made again",)
