"""Apache Kafka on loopback without Docker: one node, or a cluster of nodes that are broker and controller.

What is acknowledged with acks=all is on `replication` nodes; it survives kill -9 of any process, because the
operating system holds what was written. A lost machine is another matter: Kafka relies on its replicas there.
"""

import base64
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetlake.stack.kafka_security import KafkaSecurity
from fleetlake.stack.server import LOOPBACK, Server, ServerDidNotStart, spawn
from fleetlake.stack.services import Services, java
from ingest.process import write_atomically

NAME = "kafka"
STOP_SECONDS = 60.0
FORMAT_SECONDS = 60.0
MOST_REPLICAS = 3
SLOWEST_RECOVERY_BYTES_PER_SECOND = 20_000_000
"""A disk that turns. Kafka reads again what it had not flushed: at most each partition's last GiB."""


@dataclass(frozen=True, slots=True)
class Node:
    """One process of a cluster."""

    id: int
    port: int
    controller_port: int
    folder: Path

    @property
    def log_dir(self) -> Path:
        """Where Kafka keeps its log."""
        return self.folder / "data"

    @property
    def properties(self) -> Path:
        return self.folder / "server.properties"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes that know each other. `memory_mib` is the heap of each; without `security` whoever reaches
    their ports may do anything."""

    nodes: Sequence[Node]
    memory_mib: int = 1024
    security: KafkaSecurity | None = None

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes)

    @property
    def replication(self) -> int:
        return min(MOST_REPLICAS, len(self.nodes))

    def configuration(self, node: Node) -> dict[str, str | int]:
        """server.properties of one node."""
        voters = ",".join(f"{each.id}@{LOOPBACK}:{each.controller_port}" for each in self.nodes)
        insync = max(1, self.replication - 1)
        security = self.security
        return {
            "process.roles": "broker,controller",
            "node.id": node.id,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{LOOPBACK}:{node.port},CONTROLLER://{LOOPBACK}:{node.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{node.port}",
            "log.dirs": str(node.log_dir),
            "auto.create.topics.enable": "false",  # topics have settings; a typing error is not a topic
            "default.replication.factor": self.replication,
            "min.insync.replicas": insync,
            "unclean.leader.election.enable": "false",  # it would lose what was acknowledged
            "offsets.topic.replication.factor": self.replication,
            "offsets.topic.num.partitions": 8,  # as few as a laptop needs; 50 is for clusters
            "transaction.state.log.replication.factor": self.replication,
            "transaction.state.log.min.isr": insync,
            "transaction.state.log.num.partitions": 8,
            "share.coordinator.state.topic.replication.factor": self.replication,
            "share.coordinator.state.topic.min.isr": insync,
            "group.initial.rebalance.delay.ms": 0,  # sinks start one by one: nothing to wait for
            # KIP-848: the broker, not the client, says how soon a killed process is followed by another one.
            "group.consumer.min.session.timeout.ms": 6000,
            "group.consumer.session.timeout.ms": 10_000,
            "group.consumer.min.heartbeat.interval.ms": 500,
            "group.consumer.heartbeat.interval.ms": 1000,
            **({} if security is None else security.configuration(LOOPBACK, node.port, node.controller_port)),
        }


def recovery_seconds(folder: Path) -> float:
    """How long a node may take to look through its log after a kill, before it opens its port; 0 for a folder
    without one."""
    segments = (folder / "data").glob("*/*.log")
    return sum(segment.stat().st_size for segment in segments) / SLOWEST_RECOVERY_BYTES_PER_SECOND


def spawn_node(
    services: Services, cluster: Cluster, node: Node, log: Path, *, with_parent: bool = False
) -> Server:
    """Starts one node without waiting, on a log folder that is formatted the first time."""
    node.folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key}={value}" for key, value in cluster.configuration(node).items()]
    write_atomically(node.properties, "\n".join(lines) + "\n")
    _format(services, cluster, node, log)
    heap = [f"-Xms{min(256, cluster.memory_mib)}m", f"-Xmx{cluster.memory_mib}m", "-XX:+UseG1GC"]
    logging = f"-Dlog4j2.configurationFile={services.kafka_logging}"
    command = [*_program(services, [*heap, "-XX:+ExitOnOutOfMemoryError", logging], "kafka.Kafka")]
    return spawn(
        NAME if len(cluster.nodes) == 1 else f"{NAME}-{node.id}",
        [*command, str(node.properties)],
        node.folder,
        node.port,
        log,
        stop_seconds=lambda: STOP_SECONDS,
        with_parent=with_parent,
    )


def _format(services: Services, cluster: Cluster, node: Node, log: Path) -> None:
    """Writes the cluster's id where a log will be; a folder that has one keeps it."""
    if (node.log_dir / "meta.properties").exists():
        return
    tool = _program(services, ["-Xmx128m"], "kafka.tools.StorageTool")
    named = f"--cluster-id={_cluster_id(cluster)}"  # one word: an id may begin with a dash, as options do
    command = [*tool, "format", "--ignore-formatted", named, "-c", str(node.properties)]
    done = subprocess.run(  # noqa: S603 - our own command line, no shell
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FORMAT_SECONDS, check=False
    )
    if done.returncode:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout + done.stderr)
        raise ServerDidNotStart(NAME, log, f"its folder {node.log_dir} could not be formatted")


def _cluster_id(cluster: Cluster) -> str:
    """One id for all nodes, made at the first start and kept beside the first node's log."""
    file = cluster.nodes[0].folder / "cluster.id"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
    return file.read_text()


def _program(services: Services, options: Sequence[str], main_class: str) -> list[str]:
    return [java(), *options, "-cp", f"{services.kafka_jars}/*", main_class]
