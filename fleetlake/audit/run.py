"""One audit from start to end. It changes nothing, and may run beside live sinks.

The order matters. What the sinks say they have done is read first, then one version of bronze is pinned, then
Kafka's log ends are read: so each source has at least what the one before claims to have taken from it. The
state is read after all of them, and what it has beyond is looked up in the log as it is then.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import attrgetter

from broker.offsets import group_offsets
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from contracts.registry import Registry
from fleetlake.audit.findings import Findings
from fleetlake.audit.landing import check_landing, place
from fleetlake.audit.letters import LettersAudit
from fleetlake.audit.log import Log
from fleetlake.audit.motion import Motion
from fleetlake.audit.partitions import PartitionReport
from fleetlake.audit.payloads import Sample, compare_payloads
from fleetlake.audit.report import AuditReport
from fleetlake.audit.states import StateAudit
from lake.audit_queries import LandedCoordinates, landed_coordinates
from lake.bronze import Bronze
from lake.history_state import history_states
from lake.schemas import BRONZE_EVENTS
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from lake.state_marks import Mark, StateMarks
from lake.storage import storage
from lake.tables import exists

Progress = Callable[[str], object]


def audit(
    kafka: KafkaSettings,
    mongo: MongoSettings,
    lake: LakeSettings,
    registry: Registry,
    *,
    sample: Sample,
    progress: Progress = lambda step: None,
) -> AuditReport:
    """Compares Kafka, bronze, the state and the dead letters. What is off is in the report; an error means
    that the audit could not be done."""
    with opened_audit(kafka, mongo, lake, registry, sample=sample, progress=progress) as opened:
        return opened.run()


@contextmanager
def opened_audit(
    kafka: KafkaSettings,
    mongo: MongoSettings,
    lake: LakeSettings,
    registry: Registry,
    *,
    sample: Sample,
    progress: Progress = lambda step: None,
) -> Iterator["Audit"]:
    """An audit that has not looked yet, with its connections; they end with the block."""
    with ExitStack() as opened:
        reader = opened.enter_context(PartitionReader(kafka))
        store = opened.enter_context(StateStore(mongo))
        marks = opened.enter_context(StateMarks(mongo, f"{kafka.group_prefix}.state"))
        yield Audit(kafka, lake, registry, sample, progress, reader, store, marks)


@dataclass
class Audit:
    """One audit; its parts write into one report."""

    kafka: KafkaSettings
    lake: LakeSettings
    registry: Registry
    sample: Sample
    progress: Progress
    reader: PartitionReader
    store: StateStore
    marks: StateMarks
    report: AuditReport = field(default_factory=AuditReport)
    told: Mapping[TopicPartition, int] = field(init=False)
    """The offsets that history has told Kafka, each after a commit of the table."""

    def run(self) -> AuditReport:
        """1. what the sinks have done, 2. bronze at one version, 3. the logs' ends, then the comparisons; of
        them the state's is the last one, and looks at the logs again."""
        state_offsets, routed = group_offsets(self.kafka, "state"), group_offsets(self.kafka, "routes")  # 1
        self.told = group_offsets(self.kafka, "history")
        bronze = Bronze(storage(self.lake)) if exists(storage(self.lake), BRONZE_EVENTS.name) else None  # 2
        self.report.bronze_version = None if bronze is None else bronze.version
        if bronze is None:
            self._check(None, None, state_offsets, routed)
            return self.report
        self.progress(f"reading coordinates of bronze at version {bronze.version}")
        with landed_coordinates(self.lake, bronze.version) as landed:
            self._check(bronze, landed, state_offsets, routed)
        return self.report

    def run_state(self) -> AuditReport:
        """Of all that only whether the state is what the history gives, in the same order of looks."""
        state_offsets = group_offsets(self.kafka, "state")
        bronze = Bronze(storage(self.lake)) if exists(storage(self.lake), BRONZE_EVENTS.name) else None
        self.report.bronze_version = None if bronze is None else bronze.version
        log = Log.look(self.kafka, self.reader, self.registry.topics())
        reports = place(log, bronze, (), self.registry.topics(), {}, Findings()).reports.values()
        self._check_state(log, state_offsets, {each.key: each for each in reports if each.is_present})
        return self.report

    def _check(
        self,
        bronze: Bronze | None,
        landed: LandedCoordinates | None,
        state_offsets: Mapping[TopicPartition, int],
        routed: Mapping[TopicPartition, int],
    ) -> None:
        log = Log.look(self.kafka, self.reader, self._topics(landed))  # 3
        present = self._check_partitions(log, bronze, landed)
        if landed is not None:
            self._check_letters(log, landed, routed, present)
            self._remark_contracts(landed)
        self._check_state(log, state_offsets, present)

    def _topics(self, landed: LandedCoordinates | None) -> set[str]:
        """Sources by contract, sources that were landed, and dead letters."""
        known = {contract.dead_letter_topic for contract in self.registry.contracts.values()}
        known.update(self.registry.topics())
        if landed is not None:
            known.update(partition.topic for partition in landed.partitions())
        return known

    def _check_partitions(
        self, log: Log, bronze: Bronze | None, landed: LandedCoordinates | None
    ) -> dict[TopicPartition, PartitionReport]:
        self.progress("looking for messages that were lost, expired or doubled")
        self.report.partitions = check_landing(
            log, bronze, landed, self.registry.topics(), self.told, self.report.findings
        )
        present = {report.key: report for report in self.report.partitions if report.is_present}
        if landed is not None:
            self._compare_payloads(log, landed, present.values())
        return present

    def _compare_payloads(
        self, log: Log, landed: LandedCoordinates, reports: Iterable[PartitionReport]
    ) -> None:
        self.progress("comparing payloads with Kafka's")
        for report in reports:
            compare_payloads(log, landed, report, self.sample, self.report.findings)

    def _check_letters(
        self,
        log: Log,
        landed: LandedCoordinates,
        routed: Mapping[TopicPartition, int],
        present: Mapping[TopicPartition, PartitionReport],
    ) -> None:
        self.progress("comparing rejected messages with dead letters")
        letters = LettersAudit(log, landed, routed, present, self.report.findings)
        for contract in self.registry.contracts.values():
            for topic in contract.topics:
                if log.partitions_of(topic):
                    self.report.dead_letters.append(letters.check(topic, contract.dead_letter_topic))
        for topic in sorted({report.topic for report in present.values()} - set(self.registry.topics())):
            owner = self.registry.for_topic(topic)
            whose = (
                "no contract names it now (FLEETLAKE_CONTRACTS)"
                if owner is None
                else f"it is a former topic of {owner.name}"
            )
            self.report.findings.remark(
                f"{topic}: rows were landed, but {whose}: its dead letters are not compared"
            )

    def _check_state(
        self,
        log: Log,
        offsets: Mapping[TopicPartition, int],
        present: Mapping[TopicPartition, PartitionReport],
    ) -> None:
        self.progress("comparing the state with the history")
        read = self._read_by_state(log, offsets, present)
        if read is None:
            self.report.state.is_checked = False
            self.report.findings.remark("there is no state in this MongoDB yet")
            return
        checked = StateAudit(
            landed={key: report.checkpoint or 0 for key, report in present.items()},
            read=read,
            begun={key: report.begin for key, report in present.items()},
            motion=Motion(self._looks_again(log), self.registry),
            findings=self.report.findings,
            report=self.report.state,
        )
        version = self.report.bronze_version
        history = () if version is None else history_states(self.lake, self.registry, version)
        checked.compare(history, self.store.read_all(unreadable=checked.unreadable))
        self.report.state.not_read = sum(
            max(0, log.spans[key].high - max(log.spans[key].low, read[key])) for key in read
        )

    def _looks_again(self, log: Log) -> Callable[[], Log]:
        """At the topics of the first look, and at what the contracts name."""
        return partial(Log.look, self.kafka, self.reader, {*log.topic_ids, *self.registry.topics()})

    def _read_by_state(
        self,
        log: Log,
        offsets: Mapping[TopicPartition, int],
        present: Mapping[TopicPartition, PartitionReport],
    ) -> dict[TopicPartition, int] | None:
        """The next offset that the state has not read, as far as its collection is known to hold it."""
        collection = self.marks.known_id()
        if collection is None:
            return None
        held, rebuilt = self.marks.read(collection), self.marks.goes_on_at(collection)
        read: dict[TopicPartition, int] = {}
        for key in present:
            topic_id = log.topic_ids[key.topic]
            mark = held.get(Mark(key.topic, topic_id, key.partition))
            if mark is None:
                read[key] = rebuilt.get((topic_id, key.partition), 0)
            else:
                read[key] = min(mark, offsets.get(key, 0))
        return read

    def _remark_contracts(self, landed: LandedCoordinates) -> None:
        """Rows of one source that different versions of its contract decoded."""
        for source, uses in groupby(landed.contracts(), attrgetter("source")):
            hashes = [use.contract_hash for use in uses]
            now = self.registry.contracts.get(str(source))
            if now is not None and (len(hashes) > 1 or hashes[0] != now.hash):
                self.report.findings.remark(
                    f"source {source}: rows were decoded by contract versions {', '.join(hashes)}; "
                    f"now it is {now.hash}"
                )
