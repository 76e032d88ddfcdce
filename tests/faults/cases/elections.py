"""A log that goes back: a replica that is behind leads, and offsets that were landed get other messages."""

from collections.abc import Mapping

from confluent_kafka import KafkaException

from tests.faults.case import Outcome, case
from tests.faults.rig.cluster import Cluster
from tests.faults.rig.sinks import SinkProcess
from tests.faults.rig.site import BEFORE_NOW_MS, Load, Plan, Site, eventually
from tests.faults.rig.topics import TopicAdmin
from tests.faults.rig.traffic import TCU, TOPICS, Traffic

MESSAGES = 60_000
RATE = 3_000.0
PATIENCE_SECONDS = 180.0
OPERATOR_NEEDED = 3
LEADER, FOLLOWER = 1, 2
PLACE = (TCU, 0)
LIGHT = {"unclean.leader.election.enable": "true", "min.insync.replicas": "1"}


@case(
    "Topics",
    "An unclean leader election after which a log ends before what was landed from it: history ends with "
    "CheckpointOutsideLog (exit code 3) and stays away with LogWentBack when the log has grown past its "
    "checkpoint, `fleetlake checkpoint resume` refuses, the audit says log_went_back. After "
    "`fleetlake checkpoint reroute`, the topic made again and `fleetlake state rebuild` everything is exact: "
    "what Kafka lost is still in bronze, once; only what was written to the old topic meanwhile is not",
    Plan(nodes=3),
)
def log_went_back_by_an_unclean_election(site: Site, scale: float) -> Outcome:
    """What is written between the election and the repair is good, so that it leaves no dead letter."""
    topics, cluster = TopicAdmin(site), Cluster(site)
    topics.configure(TCU, LIGHT)
    cluster.assign({PLACE: (LEADER, FOLLOWER)})
    site.start_sinks()
    count, lives = int(MESSAGES * scale), topics.lives(*TOPICS.values())
    _load(site, lives, count).finish()
    site.wait()
    cluster.node(FOLLOWER).kill()
    eventually(lambda: _in_sync(cluster) == (LEADER,), PATIENCE_SECONDS, "the leader is alone")
    _load(site, lives, count, _of_tcu(site)).finish()
    site.wait()
    landed = topics.spans(TCU)[0][1]
    _lead_with_who_was_away(cluster)
    topics = TopicAdmin(site)  # a client that has seen its broker die may be silent for long
    history = site.sinks.of("history")[0]
    _await_end(history)
    _go_on_with_routes(site)
    lost = landed - topics.spans(TCU)[0][1]
    regrown = _load(site, lives, 2 * count, _of_tcu(site, bad=0.0))
    regrown.finish()
    regrown.is_gone = lambda topic, partition, offset: True
    grown = topics.spans(TCU)[0][1] - landed
    eventually(lambda: history.has_ended_by("LogWentBack"), PATIENCE_SECONDS, "history says LogWentBack")
    meanwhile = site.audit()["problem_counts"]
    resumed = site.command("checkpoint", "resume", TCU, "0", check=False)
    _await_read(topics, "state", "routes")
    topics.make_again(TCU)
    _load(site, topics.lives(*TOPICS.values()), count).finish()
    recovery = site.wait()
    site.command("state", "rebuild")
    promised = {
        "the log was shorter than the checkpoint": lost > 0,
        "it grew past the checkpoint": grown > 0,
        "the audit says log_went_back": "log_went_back" in meanwhile,
        "resume refuses": resumed.returncode != 0,
    }
    facts = {
        "landed and lost by Kafka": f"{lost:,}",
        "beyond the checkpoint then": f"{grown:,}",
        "ends of history with code 3": history.ends.count(OPERATOR_NEEDED),
    }
    broken = tuple(f"did not hold: {what}" for what, holds in promised.items() if not holds)
    return Outcome(recovery_s=recovery, facts=facts, broken=broken)


def _lead_with_who_was_away(cluster: Cluster) -> None:
    """The leader is gone with what only it had; when it comes back it has what the new one has."""
    cluster.node(LEADER).kill()
    cluster.node(FOLLOWER).launch()
    eventually(lambda: _leader(cluster) == FOLLOWER, PATIENCE_SECONDS, "who was away leads")
    cluster.node(LEADER).launch()
    cluster.await_in_sync()


def _go_on_with_routes(site: Site) -> None:
    """As the runbook has it: stop it, move it, again when the session of who left is over, start it."""
    routes = site.sinks.of("routes")[0]
    _await_end(routes)
    site.sinks.remove(routes)
    eventually(
        lambda: site.command("checkpoint", "reroute", TCU, "0", check=False).returncode == 0,
        PATIENCE_SECONDS,
        "routes is moved to the log's end",
    )
    site.start_sinks("routes")


def _load(site: Site, lives: Mapping[str, str], count: int, traffic: Traffic | None = None) -> Load:
    """A load that says which life of each topic it writes to."""
    load = site.load(count, RATE, traffic=traffic)
    load.lives = lives
    return load


def _await_end(member: SinkProcess) -> None:
    eventually(
        lambda: OPERATOR_NEEDED in member.ends, PATIENCE_SECONDS, f"{member.sink} says that it cannot go on"
    )


def _await_read(topics: TopicAdmin, *sinks: str) -> None:
    eventually(
        lambda: not any(topics.behind(sink, TCU) for sink in sinks),
        PATIENCE_SECONDS,
        f"{' and '.join(sinks)} have come to the end",
    )


def _of_tcu(site: Site, *, bad: float = 0.05) -> Traffic:
    return Traffic(site.began_ms - BEFORE_NOW_MS, bad=bad, sources=("tcu",))


def _leader(cluster: Cluster) -> int:
    try:
        return cluster.replicas()[PLACE].leader
    except KafkaException:  # no quorum yet
        return -1


def _in_sync(cluster: Cluster) -> tuple[int, ...]:
    try:
        return cluster.replicas()[PLACE].in_sync
    except KafkaException:
        return ()
