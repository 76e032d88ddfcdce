"""Servers of a test's own, that it may stop, kill and freeze; each comes back on its port, with its data."""

import signal
from abc import ABC, abstractmethod
from pathlib import Path

from fleetlake.settings import DEFAULT_SERVICES_DIR
from fleetlake.stack.embedded import start_kafka, start_mongo
from fleetlake.stack.kafka_node import Cluster, Node, spawn_node
from fleetlake.stack.minio import answers_s3, spawn_minio
from fleetlake.stack.server import LOOPBACK, Server, answers_kafka, free_port
from fleetlake.stack.services import Services

START_SECONDS = 90.0
HEAP_MIB = 512
BUILT = Services(DEFAULT_SERVICES_DIR)


class OwnServer(ABC):
    """One server in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.server: Server | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Returns when it answers."""
        self.server = self._launch()

    def stop(self) -> None:
        """SIGTERM, if it runs."""
        if self.server is not None and self.server.is_running:
            self.thaw()
            self.server.stop()

    def kill(self) -> None:
        """SIGKILL."""
        assert self.server is not None
        self.server.kill()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        assert self.server is not None
        self.server.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.server is not None
        self.server.process.send_signal(signal.SIGCONT)

    @abstractmethod
    def _launch(self) -> Server: ...


class EmbeddedKafka(OwnServer):
    """The embedded broker."""

    def _launch(self) -> Server:
        return start_kafka(self.folder, self.port)


class Mongo(OwnServer):
    """The embedded MongoDB-compatible server."""

    @property
    def uri(self) -> str:
        return f"mongodb://{self.address}/?directConnection=true"

    def _launch(self) -> Server:
        return start_mongo(self.folder, self.port)


class Kafka(OwnServer):
    """Apache Kafka: one node, or one of a cluster."""

    def __init__(
        self,
        folder: Path,
        services: Services = BUILT,
        cluster: Cluster | None = None,
        node: Node | None = None,
    ) -> None:
        super().__init__(folder)
        self._node = node or Node(1, self.port, free_port(), folder)
        self.port = self._node.port
        self._cluster, self._services = cluster or Cluster([self._node], HEAP_MIB), services

    @property
    def node_id(self) -> int:
        return self._node.id

    def launch(self) -> None:
        """Starts it without waiting: a quorum needs more than one."""
        log = self.folder / "kafka.log"
        self.server = spawn_node(self._services, self._cluster, self._node, log, with_parent=True)

    def await_ready(self) -> None:
        assert self.server is not None
        self.server.wait_ready(answers_kafka, START_SECONDS)

    def _launch(self) -> Server:
        self.launch()
        self.await_ready()
        assert self.server is not None
        return self.server


class Minio(OwnServer):
    """MinIO, its objects in the folder."""

    def __init__(self, folder: Path, services: Services = BUILT) -> None:
        super().__init__(folder)
        self._services = services

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def _launch(self) -> Server:
        log = self.folder / "minio.log"
        server = spawn_minio(self._services, self.folder, self.port, log, with_parent=True)
        server.wait_ready(answers_s3, START_SECONDS)
        return server


class KafkaCluster:
    """Several nodes of Apache Kafka, each broker and controller."""

    def __init__(self, folder: Path, size: int = 3, services: Services = BUILT) -> None:
        nodes = [Node(i, free_port(), free_port(), folder / f"node-{i}") for i in range(1, size + 1)]
        self._cluster = Cluster(nodes, HEAP_MIB)
        self.nodes = {node.id: Kafka(node.folder, services, self._cluster, node) for node in nodes}

    @property
    def address(self) -> str:
        return self._cluster.bootstrap_servers

    def start(self) -> None:
        """Returns when every node answers."""
        for node in self.nodes.values():
            node.launch()
        for node in self.nodes.values():
            node.await_ready()

    def stop(self) -> None:
        """All at once: the last two could not leave in good order, because they are no quorum."""
        for node in self.nodes.values():
            if node.server is not None and node.server.is_running:
                node.thaw()
                node.server.process.terminate()
        for node in self.nodes.values():
            if node.server is not None:
                node.server.stop(5.0)
