"""The local stack from start to stop, in one process that holds its data folder: servers, topics, sinks.

The order keeps the promises; the numbers stand again in the code.
1. What a killed stack left is ended before anything is started.
2. The broker's id is settled before the broker is started (see `incarnation`).
3. Addresses and pids are on disk before anything depends on them.
4. Sinks start after their topics, and stop before the servers; the broker stops last.
5. When the embedded broker dies, the sinks are stopped before it starts again: their positions belong to a
   log that may have been longer than the one that comes back. A real one comes back with its log.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from broker.errors import BrokerError
from contracts.load import load_registry
from fleetlake.settings import DATA_DIR_VARIABLE, Settings
from fleetlake.sinks import sink_specs
from fleetlake.stack.assemble import assemble
from fleetlake.stack.beside import API, DAGSTER, GATEWAY, Beside
from fleetlake.stack.child import Backoff, Child
from fleetlake.stack.incarnation import Life
from fleetlake.stack.layout import Layout
from fleetlake.stack.leftovers import end_leftovers
from fleetlake.stack.observe import cards
from fleetlake.stack.parts import Wanted
from fleetlake.stack.processes import ProcessId, myself
from fleetlake.stack.runfile import ProcessEntry, StackFile, StackState, holding
from fleetlake.stack.server import ServerDidNotStart
from fleetlake.stack.servers import EmbeddedKafka, StackServer
from fleetlake.stack.supervisor import TICK_SECONDS, Report, StopSignal, Supervisor, reap_orphans
from fleetlake.stack.topics import prepare_topics

WHATEVER = Wanted()
NOTHING = Beside()
STOP_EXTRA_SECONDS = 2.0
"""On top of what a sink has for finishing: its process has to end, too."""


class LocalStack:
    """One run of the stack in one data folder. What is configured explicitly is used and not started."""

    def __init__(
        self,
        layout: Layout,
        sinks: Sequence[str],
        report: Report,
        stop: StopSignal,
        each_tick: Callable[[StackFile], None] = lambda file: None,
        *,
        wanted: Wanted = WHATEVER,
        beside: Beside = NOTHING,
    ) -> None:
        self.layout, self.sinks = layout, sinks
        self._report, self._stop, self._wanted, self._each_tick = report, stop, wanted, each_tick
        self._backoff = Backoff()
        self._servers: list[StackServer] = []
        self._supervisor = Supervisor([], report)
        self._beside, self._ports = beside, dict[str, int]()
        self._companions = Supervisor([], report)
        self._settings = Settings(data_dir=layout.root)
        self._file: StackFile | None = None
        self._written: StackFile | None = None
        self._is_clean = True
        self._is_unwritten = False

    def run(self) -> int:
        """Starts everything, keeps it running until a stop is requested, stops everything.

        Returns an exit code: 0 when every process ended well.
        """
        with holding(self.layout), ExitStack() as cleanup:
            end_leftovers(self.layout, self._report)  # 1
            cleanup.callback(self._forget)
            cleanup.callback(self._stop_everything)
            self._choose_addresses()
            self._start_servers()
            self._start_sinks()
            self._keep_running()
        return 0 if self._is_clean else 1

    # -- start ---------------------------------------------------------------------------------------------

    def _choose_addresses(self) -> None:
        """Ports for the servers to start; the stack file says where everything will be."""
        assembly = assemble(self.layout, self._wanted, self._report)
        self._servers += assembly.servers
        self._ports = dict(assembly.ports)
        beside = self._beside.addresses(self._ports)
        me = myself()
        self._file = StackFile(
            kafka=assembly.kafka,
            mongo=assembly.mongo,
            lake=assembly.settings.lake.uri,
            incarnation_file=assembly.incarnation_file,
            lake_endpoint=assembly.settings.lake.s3.endpoint_url,
            dagster=beside.get(DAGSTER),
            gateway=beside.get(GATEWAY),
            api=beside.get(API),
            pid=me.pid,
            started=me.started,
            state=StackState.STARTING,
        )
        self._publish()  # 3
        self._settings = Settings(data_dir=self.layout.root)

    def _start_servers(self) -> None:
        for server in self._servers:
            server.launch()  # 2
            self._publish()  # 3
        for server in self._servers:
            server.await_ready(self._stop)
            self._publish()
            self._report("info", "server_started", process=server.name, port=server.port)

    def _start_sinks(self) -> None:
        if self._stop.requested:
            return
        self._prepare_topics()  # 4
        if self.sinks and self._file is not None:
            topics = load_registry(self._settings.contracts).topics()
            self._file = replace(self._file, topics=topics)  # written with the sinks' pids
        specs = sink_specs(
            self._settings,
            self.sinks,
            environment={DATA_DIR_VARIABLE: str(self.layout.root)},
            log_folder=self.layout.logs,
        )
        self._supervisor = Supervisor(specs, self._report, backoff=self._backoff)

    def _start_companions(self) -> None:
        """When everything else is ready: Dagster's start takes more than all of theirs together."""
        specs = self._beside.specs(self._settings, self.layout, self._ports)
        self._companions = Supervisor(list(specs), self._report, backoff=self._backoff)

    def _prepare_topics(self) -> None:
        broker = self._broker
        is_renewed = broker is not None and broker.life is Life.RENEWED
        done = prepare_topics(self._settings, is_renewed=is_renewed)
        if done.created:
            self._report("info", "topics_created", count=len(done.created), topics=done.created)
        if done.read_again:
            self._report("warning", "history_lands_again", messages=done.read_again)

    # -- while it runs -------------------------------------------------------------------------------------

    def _keep_running(self) -> None:
        while not self._stop.requested:
            reap_orphans(self._own_pids())
            for server in self._servers:
                if server.has_died:
                    self._revive(server)
            self._supervisor.tick()
            self._companions.tick()
            if self._file is not None and self._file.state is StackState.STARTING and self._is_ready():
                self._note_down(StackState.RUNNING)
                self._report("info", "stack_ready", kafka=self._file.kafka, mongo=self._file.mongo)
                self._start_companions()
            self._note_down()
            if self._file is not None:
                self._each_tick(self._file)
            self._stop.wait(TICK_SECONDS)

    def _is_ready(self) -> bool:
        """Whether every sink answers: its metrics are served once its surroundings are there."""
        answering = {card.pid for card in cards(self.layout.run)}
        return all(child.identity and child.identity.pid in answering for child in self._supervisor.children)

    def _revive(self, server: StackServer) -> None:
        """Starts a server again until it runs or a stop is requested."""
        self._report("error", "server_died", process=server.name, how=server.bury())
        if server.loses_log:
            self._supervisor.stop(self._stop_seconds)  # 5
        failures = 0
        while not self._stop.requested:
            try:
                server.launch()  # 2
                self._note_down()
                server.await_ready(self._stop)
                if server.loses_log and not self._stop.requested:
                    self._prepare_topics()
                break
            except (ServerDidNotStart, BrokerError, OSError) as error:  # an OSError: a full disk
                failures = self._backoff.failures(failures, ran_s=0.0)
                delay = self._backoff.delay(failures)
                self._report("error", "server_did_not_start", process=server.name, reason=str(error),
                             again_in_s=delay)  # fmt: skip
                self._stop_server(server)
                self._stop.wait(delay)
        self._report("info", "server_started", process=server.name, port=server.port)
        if server.loses_log:
            self._supervisor.renew()

    # -- stop ----------------------------------------------------------------------------------------------

    def _stop_everything(self) -> None:
        self._note_down(StackState.STOPPING)
        self._report("info", "stack_stopping")
        self._is_clean = self._companions.stop(self._beside.stop_seconds)
        self._is_clean &= self._supervisor.stop(self._stop_seconds)  # 4
        for server in reversed(self._servers):  # the broker was added first
            self._is_clean &= self._stop_server(server)
            self._note_down()
        self._report("info", "stack_stopped", is_clean=self._is_clean)

    def _stop_server(self, server: StackServer) -> bool:
        """Whatever goes wrong with one, the others are stopped, too."""
        try:
            return server.stop()
        except Exception as error:  # noqa: BLE001 - told, and the exit code says that not all ended well
            self._report("error", "server_stopped_badly", process=server.name, reason=str(error))
            return False

    def _forget(self) -> None:
        """Nothing runs any more; what still does stays written down for the next start to end."""
        file = self._file
        if file is None or not any(entry.is_alive for entry in file.processes):
            self.layout.stack_file.unlink(missing_ok=True)

    # -- what is known -------------------------------------------------------------------------------------

    @property
    def _broker(self) -> EmbeddedKafka | None:
        return next((server for server in self._servers if isinstance(server, EmbeddedKafka)), None)

    @property
    def _stop_seconds(self) -> float:
        return self._settings.ingest.shutdown_seconds + STOP_EXTRA_SECONDS

    def _own_pids(self) -> set[int]:
        return self._supervisor.pids | self._companions.pids | {server.entry.pid for server in self._servers}

    def _note_down(self, state: StackState | None = None) -> None:
        """`_publish`, of which the stack does not depend any more: what a full disk refuses is written when
        there is room, and the log says so once."""
        try:
            self._publish(state)
        except OSError as error:
            if not self._is_unwritten:
                self._report("error", "stack_file_not_written", reason=str(error))
            self._is_unwritten = True
        else:
            self._is_unwritten = False

    def _publish(self, state: StackState | None = None) -> None:
        """Writes the stack file if it says something new."""
        if self._file is None:
            return
        entries = [server.entry for server in self._servers]
        entries += [_entry(child) for child in (*self._supervisor.children, *self._companions.children)]
        self._file = replace(self._file, state=state or self._file.state, processes=entries)
        if self._file != self._written or not self.layout.stack_file.exists():
            self._file.write(self.layout)
            self._written = self._file


def _entry(child: Child) -> ProcessEntry:
    identity = child.identity if child.is_running and child.identity else ProcessId(0, 0.0)
    return ProcessEntry(
        child.name, identity.pid, identity.started, child.restarts, child.state.value, child.last_reason
    )
