"""Who leads what in a cluster of three, and how it is moved: by the admin client, and by Kafka's own tools
where that has no such call."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from fleetlake.stack.services import java
from tests.faults.rig.groups import ASK_SECONDS, Place
from tests.faults.rig.site import Site, eventually
from tests.servers import BUILT, Kafka, KafkaCluster

TOOL_SECONDS = 120.0
SETTLED_SECONDS = 240.0
TRANSACTIONS = "__transaction_state"


@dataclass(frozen=True, slots=True)
class Replicas:
    """Of one partition: who leads, who has it, who has all of it."""

    leader: int
    all: tuple[int, ...]
    in_sync: tuple[int, ...]


class Cluster:
    """A running cluster of a site."""

    def __init__(self, site: Site) -> None:
        assert isinstance(site.kafka, KafkaCluster)
        self._kafka, self._folder = site.kafka, site.folder

    @property
    def _admin(self) -> AdminClient:
        """A new one for each question: one that has seen a broker die may be silent for long."""
        return AdminClient({"bootstrap.servers": self._kafka.address, "log_level": 0})

    def node(self, number: int) -> Kafka:
        return self._kafka.nodes[number]

    def replicas(self) -> dict[Place, Replicas]:
        """Of every partition there is."""
        admin = self._admin
        topics = list(admin.list_topics(timeout=ASK_SECONDS).topics)
        asked = admin.describe_topics(TopicCollection(topics), request_timeout=ASK_SECONDS)
        return {
            (topic, part.id): _replicas(part)
            for topic, answer in asked.items()
            for part in answer.result().partitions
        }

    def controller(self) -> int:
        """The active one. A broker names any of its like to clients, so Kafka's own tool is asked."""
        said = self._tool("org.apache.kafka.tools.MetadataQuorumCommand", "describe", "--status")
        found = re.search(r"^LeaderId:\s+(\d+)", said, re.MULTILINE)
        assert found, said
        return int(found[1])

    def transaction_coordinator(self, transactional_id: str) -> int:
        """The leader of the partition that Kafka keeps this producer's transactions in."""
        replicas = {place: each for place, each in self.replicas().items() if place[0] == TRANSACTIONS}
        return replicas[(TRANSACTIONS, _java_hash(transactional_id) % len(replicas))].leader

    def await_in_sync(self) -> float:
        """Until every replica has everything; the seconds it took."""

        def is_in_sync() -> bool:
            try:
                return all(set(each.all) == set(each.in_sync) for each in self.replicas().values())
            except KafkaException:
                return False

        return eventually(is_in_sync, SETTLED_SECONDS, "every replica is in sync")

    def assign(self, wanted: Mapping[Place, Sequence[int]]) -> None:
        """Puts partitions on these nodes, in this order, and has the first of them lead."""
        plan = self._folder / "reassignment.json"
        plan.write_text(json.dumps(_reassignment(wanted)))
        self._reassign(plan, "--execute")
        eventually(lambda: self._is_assigned(plan), SETTLED_SECONDS, "the partitions have moved")
        self.await_in_sync()
        self._elect_preferred(wanted)

    def _elect_preferred(self, wanted: Mapping[Place, Sequence[int]]) -> None:
        tool = "org.apache.kafka.tools.LeaderElectionCommand"
        self._tool(tool, "--election-type", "preferred", "--all-topic-partitions")

        def is_led() -> bool:
            try:
                replicas = self.replicas()
            except KafkaException:
                return False
            return all(replicas[place].leader == nodes[0] for place, nodes in wanted.items())

        eventually(is_led, SETTLED_SECONDS, "the preferred nodes lead")

    def _is_assigned(self, plan: Path) -> bool:
        said = self._reassign(plan, "--verify", "--preserve-throttles")
        return "still in progress" not in said

    def _reassign(self, plan: Path, *words: str) -> str:
        tool = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
        return self._tool(tool, "--reassignment-json-file", str(plan), *words)

    def _tool(self, main_class: str, *words: str) -> str:
        command = [java(), "-Xmx128m", "-cp", f"{BUILT.kafka_jars}/*", main_class]
        done = subprocess.run(
            [*command, "--bootstrap-server", self._kafka.address, *words],
            capture_output=True,
            text=True,
            timeout=TOOL_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _replicas(part: Any) -> Replicas:
    leader = part.leader.id if part.leader is not None else -1
    return Replicas(leader, tuple(n.id for n in part.replicas), tuple(n.id for n in part.isr))


def _reassignment(wanted: Mapping[Place, Sequence[int]]) -> dict[str, Any]:
    partitions = [
        {"topic": topic, "partition": number, "replicas": list(nodes)}
        for (topic, number), nodes in wanted.items()
    ]
    return {"version": 1, "partitions": partitions}


def _java_hash(text: str) -> int:
    """String.hashCode without its sign, as Kafka finds a transaction's partition."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return value & 0x7FFFFFFF
