"""The servers of a running stack: started with what their data needs first, noticed when they die, and
started again. For the embedded broker that means a new id whenever its log may have gone back; a real one
keeps its log whatever happens to its process."""

import signal
from abc import ABC, abstractmethod

from fleetlake.stack.child import describe_exit
from fleetlake.stack.embedded import snapshot_seconds, spawn_kafka, spawn_mongo
from fleetlake.stack.incarnation import Incarnation, Life
from fleetlake.stack.kafka_node import Cluster, Node, recovery_seconds, spawn_node
from fleetlake.stack.layout import Layout
from fleetlake.stack.minio import answers_s3, spawn_minio
from fleetlake.stack.processes import ProcessId, identify
from fleetlake.stack.runfile import ProcessEntry
from fleetlake.stack.server import Server, answers_kafka, owns_port
from fleetlake.stack.services import Services
from fleetlake.stack.supervisor import Report, StopSignal

START_SECONDS = 60.0
MOST_DOUBLINGS = 4


class StackServer(ABC):
    """One server of the stack and its restarts."""

    name: str
    clean_exits: frozenset[int] = frozenset({0})
    """Exit codes after SIGTERM that say that everything was saved."""
    loses_log: bool = False
    """Whether its death may take acknowledged messages back."""

    def __init__(self, layout: Layout, port: int, report: Report) -> None:
        self.layout, self.port, self._report = layout, port, report
        self.state = "new"
        self.restarts = 0
        self._slow_starts = 0
        self._server: Server | None = None
        self._identity = ProcessId(0, 0.0)

    @property
    def entry(self) -> ProcessEntry:
        """What the stack file says of it."""
        identity = self._identity
        return ProcessEntry(self.name, identity.pid, identity.started, self.restarts, self.state)

    @property
    def has_died(self) -> bool:
        """Whether it ended although it should run."""
        return self._server is not None and self.state == "running" and not self._server.is_running

    def launch(self) -> None:
        """Starts the process; a launch after the first counts as a restart."""
        self.restarts += self.state != "new"
        self._prepare()
        self.state = "starting"
        self._server = self._spawn()
        self._identity = identify(self._server.process.pid) or ProcessId(0, 0.0)

    def await_ready(self, stop: StopSignal) -> None:
        """Returns when it answers, or when a stop is requested; ServerDidNotStart otherwise.

        Each start that took too long gives the next one twice the time: what a slow machine has begun anew
        again and again would never be done.
        """
        server = self._launched()
        patience_s = round(self._start_seconds() * 2 ** min(self._slow_starts, MOST_DOUBLINGS))
        self._slow_starts += 1
        server.wait_ready(lambda server: stop.requested or self._is_ready(server), patience_s)
        self._slow_starts = 0
        self.state = "running"

    def bury(self) -> str:
        """After its death: settles what that means for its data; returns how it died, in words."""
        self.state = "waiting"
        self._ended(was_clean=False)
        return describe_exit(self._launched().process.returncode)

    def stop(self) -> bool:
        """Ends it with SIGTERM; returns whether it was running and ended well."""
        if self._server is None or self.state in ("stopped", "waiting"):
            return True
        was_running = self._server.is_running
        was_clean = self._server.stop() in self.clean_exits and was_running
        self.state = "stopped"
        return self._ended(was_clean=was_clean)

    def _launched(self) -> Server:
        assert self._server is not None  # noqa: S101 - asked only after `launch`
        return self._server

    def _prepare(self) -> None:
        """Settles what must be known before the server may accept connections."""
        return

    def _ended(self, *, was_clean: bool) -> bool:
        """Settles what the end means for the data; returns whether all of it is safe."""
        return was_clean

    def _start_seconds(self) -> float:
        return START_SECONDS

    @abstractmethod
    def _spawn(self) -> Server: ...

    @abstractmethod
    def _is_ready(self, server: Server) -> bool: ...


class EmbeddedKafka(StackServer):
    """The embedded broker. Its id is settled before it can accept a connection."""

    name = "kafka"
    loses_log = True

    def __init__(self, layout: Layout, port: int, report: Report) -> None:
        super().__init__(layout, port, report)
        self.incarnation = Incarnation(layout.kafka)
        self.life = Life.CONTINUED

    def _prepare(self) -> None:
        self.life = self.incarnation.begin()
        if self.life is Life.RENEWED:
            self._report("warning", "incarnation_renewed", incarnation=self.incarnation.file.read_text())

    def _ended(self, *, was_clean: bool) -> bool:
        is_safe = self.incarnation.stopped(is_clean=was_clean)
        if was_clean and not is_safe:
            self._report("error", "log_not_saved", folder=str(self.incarnation.folder))
        return is_safe

    def _start_seconds(self) -> float:
        return START_SECONDS + snapshot_seconds(self.layout.kafka)

    def _spawn(self) -> Server:
        return spawn_kafka(self.layout.kafka, self.port, self.layout.log(self.name))

    def _is_ready(self, server: Server) -> bool:
        return answers_kafka(server)


class EmbeddedMongo(StackServer):
    """The MongoDB-compatible server."""

    name = "mongo"

    def _spawn(self) -> Server:
        return spawn_mongo(self.layout.mongo, self.port, self.layout.log(self.name))

    def _is_ready(self, server: Server) -> bool:
        return owns_port(server)


class RealKafka(StackServer):
    """Apache Kafka, one node that is broker and controller."""

    name = "kafka"
    clean_exits = frozenset({0, 128 + signal.SIGTERM})  # what a Java machine says after its shutdown hooks

    def __init__(
        self, layout: Layout, port: int, controller_port: int, services: Services, report: Report
    ) -> None:
        super().__init__(layout, port, report)
        self._services = services
        self._node = Node(1, port, controller_port, layout.kafka)

    def _start_seconds(self) -> float:
        return START_SECONDS + recovery_seconds(self.layout.kafka)

    def _spawn(self) -> Server:
        return spawn_node(self._services, Cluster([self._node]), self._node, self.layout.log(self.name))

    def _is_ready(self, server: Server) -> bool:
        return answers_kafka(server)


class Minio(StackServer):
    """The S3 store of the lake."""

    name = "minio"

    def __init__(self, layout: Layout, port: int, services: Services, report: Report) -> None:
        super().__init__(layout, port, report)
        self._services = services

    def _spawn(self) -> Server:
        return spawn_minio(self._services, self.layout.minio, self.port, self.layout.log(self.name))

    def _is_ready(self, server: Server) -> bool:
        return answers_s3(server)
