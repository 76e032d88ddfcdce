"""The audit on real servers: clean where all is well, and each fault that is made here must be named."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from broker.consumer import GroupConsumer
from broker.offsets import group_offsets
from broker.producer import Producer, TransactionalProducer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.topic_specs import specs_from
from broker.topics import Difference, Topics
from contracts.load import load_registry
from contracts.registry import Registry
from fleetlake.answers import terminal
from fleetlake.audit.payloads import Sample
from fleetlake.audit.report import AuditReport
from fleetlake.audit.run import audit
from fleetlake.audit.show import show
from fleetlake.cli import run
from ingest import history_run, routes_run, state_run
from ingest.process import Stop
from ingest.settings import IngestSettings
from ingest.state_rebuild import rebuild
from lake.mongo import open_client
from lake.schemas import BRONZE, BRONZE_EVENTS
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from lake.state_model import Entry, VehicleState
from lake.storage import storage, wait_ready
from tests.environment import of_kafka, of_lake, of_mongo
from tests.ingest.topics import make_topic_again

PARTITIONS = 2
BASE_MS = 1_761_559_635_000
ALL = Sample(None, lambda below: 0)


@dataclass
class Stack:
    """A topic of its own with the tcu contract, and the sinks that read it."""

    kafka: KafkaSettings
    mongo: MongoSettings
    lake: LakeSettings
    ingest: IngestSettings
    registry: Registry
    topic: str
    sent: int = 0
    rejected: int = 0

    def send(self, count: int, bad: int = 0) -> None:
        """Messages with rising times, alternating between partitions; the last `bad` ones are broken."""
        producer = Producer(self.kafka)
        for number in range(self.sent, self.sent + count):
            vehicle, is_bad = f"v{number % 5}", number >= self.sent + count - bad
            event = {
                "did": vehicle, "timestamp": BASE_MS + number, "name": "speed",
                "float_value": "much" if is_bad else float(number % 200),
            }  # fmt: skip
            payload = json.dumps(event).encode()
            producer.send(self.topic, vehicle.encode(), payload, partition=number % PARTITIONS)
        producer.flush()
        self.sent += count
        self.rejected += bad

    def run_sinks(self, *names: str) -> None:
        """Each from start to the log's end of now."""
        runs: dict[str, Callable[[], None]] = {
            "history": lambda: history_run.run(
                self.kafka, self.lake, self.ingest, self.registry, stop=Stop(), until_caught_up=True
            ),
            "state": lambda: state_run.run(
                self.kafka, self.mongo, self.ingest, self.registry, stop=Stop(), until_caught_up=True
            ),
            "routes": lambda: routes_run.run(
                self.kafka, self.ingest, self.registry, stop=Stop(), until_caught_up=True
            ),
        }
        for name in names or runs:
            runs[name]()

    def audit(self, sample: Sample = ALL) -> AuditReport:
        """The whole report."""
        return audit(self.kafka, self.mongo, self.lake, self.registry, sample=sample)

    def problems(self) -> list[tuple[str, str]]:
        """Kind and place of what is off."""
        return [(problem.kind, problem.where) for problem in self.audit().findings.problems]

    # -- faults -------------------------------------------------------------------------------------------

    def bronze(self) -> DeltaTable:
        """The table, as somebody who may do anything sees it."""
        store = storage(self.lake)
        table = DeltaTable(store.table(BRONZE_EVENTS.name), storage_options=store.options())
        table.alter.set_table_properties({"delta.appendOnly": "false"})
        return table

    def rows(self, partition: int, offset: int) -> pa.Table:
        """What bronze has at a coordinate."""
        rows = self.bronze().to_pyarrow_table(
            filters=[("offset", "=", offset), ("partition", "=", partition)]
        )
        return rows.select(BRONZE.names).cast(BRONZE)

    def delete_row(self, partition: int, first: int, last: int | None = None) -> None:
        self.bronze().delete(f'partition = {partition} and "offset" between {first} and {last or first}')

    def add_rows(self, rows: pa.Table) -> None:
        write_deltalake(self.bronze(), rows, mode="append")

    def change_row(self, partition: int, offset: int, column: str, value: Any) -> None:
        rows = self.rows(partition, offset)
        index = rows.schema.get_field_index(column)
        changed = rows.set_column(
            index, rows.schema.field(index), pa.array([value], rows.schema.field(index).type)
        )
        self.delete_row(partition, offset)
        self.add_rows(changed)

    def write_state(self, vehicle: str, key: str, entry: dict[str, Any] | None) -> None:
        """Sets a value of the state, or removes it."""
        change = {"$unset": {f"s.{key}": ""}} if entry is None else {"$set": {f"s.{key}": entry}}
        with open_client(self.mongo) as client:
            client[self.mongo.database]["vehicle_state"].update_one({"_id": vehicle}, change, upsert=True)

    def remove_vehicle(self, vehicle: str) -> None:
        with open_client(self.mongo) as client:
            client[self.mongo.database]["vehicle_state"].delete_one({"_id": vehicle})


@pytest.fixture
def stack(
    kafka_settings: KafkaSettings,
    mongo_settings: MongoSettings,
    lake_settings: LakeSettings,
    topic_name: str,
    tmp_path: Path,
) -> Stack:
    """A stack whose topics exist and are empty."""
    base = load_registry()
    topics = {topic_name: base.contracts["tcu"].source_topics["telemetry_raw"]}
    contract = base.contracts["tcu"].model_copy(update={"source_topics": topics})
    registry = Registry(base.catalog, {"tcu": contract})
    kafka = kafka_settings.model_copy(update={"partitions": {topic_name: PARTITIONS}})
    Topics(kafka).create(specs_from(registry, kafka))
    ingest = IngestSettings(runtime_dir=tmp_path / "run", state_flush_ms=20)
    return Stack(kafka, mongo_settings, lake_settings, ingest, registry, topic_name)


@pytest.fixture
def landed(stack: Stack) -> Stack:
    """A stack through which 40 messages went, 3 of them broken."""
    stack.send(40, bad=3)
    stack.run_sinks()
    return stack


def test_a_clean_stack_has_no_problem(landed: Stack) -> None:
    """Every number of the report is what was sent."""
    report = landed.audit()
    assert report.findings.problems == []
    assert report.is_ok
    assert [(each.name, each.rows, each.first_offset, each.last_offset) for each in report.partitions] == [
        (f"{landed.topic}/0", 20, 0, 19),
        (f"{landed.topic}/1", 20, 0, 19),
    ]
    assert [each.compared for each in report.partitions] == [20, 20]
    assert [each.not_landed for each in report.partitions] == [0, 0]
    assert (report.state.vehicles, report.state.values, report.state.in_motion) == (5, 5, 0)
    (letters,) = report.dead_letters
    assert (letters.rejected, letters.letters) == (3, 3)


def test_an_empty_stack_has_no_problem(stack: Stack) -> None:
    """Nothing sent, nothing run; and a table that exists but has no rows."""
    wait_ready(stack.lake)
    assert stack.audit().is_ok
    stack.run_sinks()
    assert stack.audit().is_ok


def test_what_is_not_landed_yet_is_said_and_no_fault(landed: Stack) -> None:
    """History may be behind: the distance is in the report."""
    landed.send(10)
    report = landed.audit()
    assert report.is_ok
    assert sum(each.not_landed for each in report.partitions) == 10
    assert report.state.not_read == 10


@pytest.mark.parametrize("ahead", ["history", "state", "routes"])
def test_sinks_that_are_apart_are_no_fault(landed: Stack, ahead: str) -> None:
    """What one of them cannot know yet is looked up in Kafka."""
    landed.send(20, bad=2)
    landed.run_sinks(ahead)
    report = landed.audit()
    assert report.findings.problems == []
    assert (report.state.in_motion > 0) == (ahead != "routes")


# -- bronze -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "last"), [(0, 0), (7, 9), (19, 19)], ids=["first", "inside", "last"])
def test_a_row_that_is_gone_is_named(landed: Stack, first: int, last: int) -> None:
    """Kafka still has the message: it is lost."""
    landed.delete_row(1, first, last)
    report = landed.audit()
    problem = next(problem for problem in report.findings.problems if problem.kind == "lost")
    assert problem.where == f"{landed.topic}/1"
    assert (problem.facts["first_offset"], problem.facts["last_offset"]) == (first, last)
    assert report.findings.counts["lost"] == last - first + 1
    assert [each.lost for each in report.partitions] == [0, last - first + 1]


def test_a_partition_without_any_row_is_lost(landed: Stack) -> None:
    """Its checkpoint says that it was landed."""
    landed.delete_row(0, 0, 19)
    assert ("lost", f"{landed.topic}/0") in landed.problems()


def test_a_row_that_stands_twice_is_named(landed: Stack) -> None:
    """With its coordinate and how often."""
    landed.add_rows(landed.rows(0, 5))
    (problem,) = landed.audit().findings.problems
    assert (problem.kind, problem.where) == ("duplicate", f"{landed.topic}/0")
    assert (problem.facts["offset"], problem.facts["copies"]) == (5, 2)


def test_a_changed_byte_is_named(landed: Stack) -> None:
    """Even one that decodes to the same."""
    payload = landed.rows(1, 4)["payload"][0].as_py()
    landed.change_row(1, 4, "payload", payload + b" ")
    assert landed.problems() == [("payload_differs", f"{landed.topic}/1 offset 4")]


def test_a_changed_key_is_named(landed: Stack) -> None:
    """Keys decide where a message goes."""
    landed.change_row(1, 4, "key", b"other")
    assert landed.problems() == [("key_differs", f"{landed.topic}/1 offset 4")]


def test_a_row_without_a_message_is_named(landed: Stack) -> None:
    """Nobody sent it: it lies behind the checkpoint, and changes the state that history gives."""
    row = landed.rows(0, 19)
    landed.add_rows(row.set_column(3, row.schema.field(3), pa.array([25], pa.int64())))
    kinds = {kind for kind, _ in landed.problems()}
    assert "beyond_checkpoint" in kinds


def test_a_table_that_lost_its_last_commit_is_named(landed: Stack) -> None:
    """Somebody removed the newest entry of its log: the rows before are all there, and nothing is missing
    between them."""
    landed.send(20)
    landed.run_sinks()
    assert landed.problems() == []
    store = storage(landed.lake)
    version = DeltaTable(store.table(BRONZE_EVENTS.name), storage_options=store.options()).version()
    newest = f"bronze/events/_delta_log/{version:020}.json"
    if store.locations.is_s3:
        prefix = landed.lake.uri.removeprefix(f"s3://{store.locations.bucket}/")
        store.client().delete_object(Bucket=store.locations.bucket, Key=f"{prefix}/{newest}")
    else:
        Path(landed.lake.uri, newest).unlink()
    assert {kind for kind, _ in landed.problems()} >= {"bronze_went_back"}


def test_a_missing_checkpoint_is_named(landed: Stack, tmp_path: Path) -> None:
    """Rows of a table that was copied without its log."""
    rows = landed.bronze().to_pyarrow_table().select(BRONZE.names).cast(BRONZE)
    landed.lake = LakeSettings(uri=str(tmp_path / "copy"))
    DeltaTable.create(
        storage(landed.lake).table(BRONZE_EVENTS.name), schema=BRONZE, partition_by=["ingest_date"]
    )
    write_deltalake(storage(landed.lake).table(BRONZE_EVENTS.name), rows, mode="append")
    assert ("checkpoint_missing", f"{landed.topic}/0") in landed.problems()


def test_messages_removed_unread_are_expired(stack: Stack) -> None:
    """Retention was faster than history; nobody can bring them back, and nobody overlooks it."""
    stack.send(20)
    stack.run_sinks()
    stack.send(20)
    delete_records(stack, 0, 15)
    report = stack.audit()
    assert [(problem.kind, problem.facts["first_offset"], problem.facts["last_offset"]) for problem in
            report.findings.problems if problem.kind == "expired"] == [("expired", 10, 14)]  # fmt: skip
    assert [each.expired for each in report.partitions] == [5, 0]


def test_messages_removed_after_landing_are_no_fault(landed: Stack) -> None:
    """That is what retention is for."""
    delete_records(landed, 0, 12)
    report = landed.audit()
    assert report.findings.problems == []
    assert [each.compared for each in report.partitions] == [8, 20]


def test_a_row_gone_below_the_logs_start_is_expired(landed: Stack) -> None:
    """Kafka cannot be asked any more; a topic without transactions has no holes of its own."""
    delete_records(landed, 0, 12)
    landed.delete_row(0, 3)
    report = landed.audit()
    assert report.findings.counts["expired"] == 1


def test_markers_and_aborted_messages_are_no_gap(stack: Stack) -> None:
    """A producer with transactions leaves offsets without messages; also below the log's start later on."""
    producer = TransactionalProducer(stack.kafka, f"{stack.kafka.group_prefix}.t")
    producer.init()
    for number, is_kept in enumerate((True, False, True, True)):
        producer.begin()
        event = {"did": "v", "timestamp": BASE_MS + number, "name": "speed", "float_value": float(number)}
        producer.send(stack.topic, b"v", json.dumps(event).encode(), partition=0)
        wait_for_offset(stack, 2 * number)
        producer.commit() if is_kept else producer.abort()
    stack.run_sinks()
    report = stack.audit()
    assert report.findings.problems == []
    assert (report.partitions[0].rows, report.partitions[0].not_landed) == (3, 0)
    delete_records(stack, 0, 4)
    report = stack.audit()
    assert report.findings.problems == []
    assert report.partitions[0].unverifiable == 3
    stack.delete_row(0, 4)
    assert ("lost", f"{stack.topic}/0") in stack.problems()


def test_a_message_that_compaction_removed_is_no_fault(stack: Stack) -> None:
    """In a compacted topic a row may be all that is left of a message; elsewhere it is a row of nothing."""
    producer = TransactionalProducer(stack.kafka, f"{stack.kafka.group_prefix}.t")
    producer.init()
    for number, is_kept in enumerate((True, False, True)):
        producer.begin()
        event = {"did": "v", "timestamp": BASE_MS + number, "name": "speed", "float_value": float(number)}
        producer.send(stack.topic, b"v", json.dumps(event).encode(), partition=0)
        wait_for_offset(stack, 2 * number)
        producer.commit() if is_kept else producer.abort()
    stack.run_sinks()
    row = stack.rows(0, 0)
    offset = row.schema.get_field_index("offset")
    stack.add_rows(row.set_column(offset, row.schema.field(offset), pa.array([2], pa.int64())))
    assert [kind for kind, _ in stack.problems() if kind == "no_such_message"] == ["no_such_message"]
    policy = [Difference(stack.topic, "cleanup.policy", "compact", "delete", can_change=True)]
    Topics(stack.kafka).apply(policy)
    report = stack.audit()
    assert "no_such_message" not in report.findings.counts
    assert report.partitions[0].unverifiable == 1


def wait_for_offset(stack: Stack, offset: int) -> None:
    """Until the message is in the log, committed or not."""
    deadline = time.monotonic() + 10
    with PartitionReader(stack.kafka, isolation="read_uncommitted") as reader:
        while reader.ends(TopicPartition(stack.topic, 0))[1] <= offset:
            assert time.monotonic() < deadline


def test_a_history_that_began_later_is_no_fault(stack: Stack) -> None:
    """What came before its start is not missed, neither in bronze nor, where the state has it, there."""
    stack.send(20)
    stack.ingest = stack.ingest.model_copy(update={"start": "latest"})
    stack.run_sinks("history", "state")
    stack.send(3)
    stack.run_sinks("history", "state")
    report = stack.audit()
    assert report.findings.problems == []
    assert sum(each.rows for each in report.partitions) == 3
    assert [each.started_at for each in report.partitions] == [10, 10]
    assert report.state.before_history == 2
    rebuild(stack.kafka, stack.mongo, stack.lake, stack.registry)
    assert stack.audit().state.before_history == 2


def test_a_former_life_of_a_topic_is_checked_by_itself(landed: Stack) -> None:
    """Another life of the log is landed whole; a hole in the old rows is still named."""
    if landed.kafka.incarnation_file is None:
        make_topic_again(landed.kafka, landed.topic, PARTITIONS)
    else:
        landed.kafka.incarnation_file.write_text("next")
    landed.send(20)
    landed.run_sinks()
    report = landed.audit()
    assert report.findings.problems == []
    assert [each.is_present for each in report.partitions] == [True, False, True, False]
    former = next(each for each in report.partitions if not each.is_present)
    landed.bronze().delete(f"topic_id = '{former.topic_id}' and partition = 0 and \"offset\" = 6")
    (problem,) = landed.audit().findings.problems
    assert problem.kind == "expired"
    assert former.topic_id in problem.where
    assert problem.facts["first_offset"] == 6


def at_most(number: int) -> Callable[[int], int]:
    """Chooses a number, or the greatest that is allowed."""
    return lambda below: min(number, below - 1)


def test_a_sample_is_the_ends_and_a_stretch_between() -> None:
    """In order, without overlaps, never more than asked for; all of a short log."""
    for messages in (1, 2, 3, 10, 50, 99, 100, 101, 200):
        for chosen in (0, 1):
            sample = Sample(messages, at_most(chosen))
            stretches = sample.stretches(1000, 1100)
            offsets = [offset for begin, end in stretches for offset in range(begin, end)]
            assert offsets == sorted(set(offsets))
            assert 0 < len(offsets) <= messages
            assert set(offsets) <= set(range(1000, 1100))
            assert messages < 100 or len(offsets) == 100
    assert Sample(0, lambda below: 0).stretches(0, 10) == []
    assert Sample(None, lambda below: 0).stretches(3, 9) == [(3, 9)]


# -- state ------------------------------------------------------------------------------------------------


def entry_of(stack: Stack, vehicle: str) -> dict[str, Any]:
    """The state's entry for speed, as it is stored."""
    with open_client(stack.mongo) as client:
        document = client[stack.mongo.database]["vehicle_state"].find_one({"_id": vehicle})
    assert document is not None
    entry: dict[str, Any] = document["s"]["speed"]
    return entry


@pytest.mark.parametrize(
    "change",
    [{"v": 999.0}, {"v": -1.0}, {"v": "text"}, {"t": BASE_MS * 2000}, {"t": 5}, {"o": 3}, {"o": 10**6}],
    ids=str,
)
def test_a_changed_state_value_is_named(landed: Stack, change: dict[str, Any]) -> None:
    """Too high, too low, of another type, at another time, from another message."""
    entry = entry_of(landed, "v2")
    landed.write_state("v2", "speed", entry | change)
    (problem,) = landed.audit().findings.problems
    assert (problem.kind, problem.where) == ("state_differs", "vehicle v2, speed")
    assert problem.facts["expected"]["value"] == entry["v"]
    assert problem.facts["found"] != problem.facts["expected"]
    assert str(entry["v"]) in problem.detail


@pytest.mark.parametrize(
    "change",
    [{"s": "x"}, {"s.speed": 5}, {"s.speed.v": None}, {"s.speed.t": 2**61}, {"s.speed.p": 7}],
    ids=str,
)
def test_a_damaged_document_is_named_and_hides_no_other(landed: Stack, change: dict[str, Any]) -> None:
    """Somebody wrote into MongoDB; the audit goes on behind it."""
    landed.write_state("v3", "speed", entry_of(landed, "v3") | {"v": -1.0})
    with open_client(landed.mongo) as client:
        states = client[landed.mongo.database]["vehicle_state"]
        states.update_one({"_id": "v2"}, {"$set": change})
        states.insert_one({"_id": 5})
        states.insert_one({"_id": "ghost"})
    found = landed.problems()
    assert {each for each in found if each[0] == "state_unreadable"} == {
        ("state_unreadable", "vehicle 5"),
        ("state_unreadable", "vehicle ghost"),
        ("state_unreadable", "vehicle v2"),
    }
    assert ("state_differs", "vehicle v3, speed") in found


@pytest.mark.parametrize("place", ["{topic}/0", "{topic}/7", "nowhere/0", "no place"])
def test_a_state_value_from_nowhere_is_named(landed: Stack, place: str) -> None:
    """Also one that claims to come from a message that nobody has landed yet."""
    wrong = Entry(BASE_MS * 1000, 5.0, place.format(topic=landed.topic), 500)
    with StateStore(landed.mongo) as store:
        store.write([VehicleState("v1", {"soc": wrong}), VehicleState("ghost", {"soc": wrong})])
    assert landed.problems() == [
        ("state_without_history", "vehicle ghost, soc"),
        ("state_without_history", "vehicle v1, soc"),
    ]


def test_a_removed_state_value_is_named(landed: Stack) -> None:
    """One signal, or a whole vehicle."""
    landed.write_state("v1", "speed", None)
    landed.remove_vehicle("v3")
    assert landed.problems() == [
        ("state_missing", "vehicle v1, speed"),
        ("state_missing", "vehicle v3, speed"),
    ]
    rebuild(landed.kafka, landed.mongo, landed.lake, landed.registry)
    assert landed.audit().is_ok


def test_a_wrong_value_beside_traffic_is_named(landed: Stack) -> None:
    """Messages on their way excuse only what they explain."""
    landed.send(10)
    landed.run_sinks("state")
    landed.write_state("v0", "speed", entry_of(landed, "v0") | {"v": 77.5})
    assert landed.problems() == [("state_differs", "vehicle v0, speed")]


def test_what_a_restored_copy_of_mongodb_lacks_is_not_read_yet(landed: Stack) -> None:
    """No fault, although the group's offsets say otherwise: the sink goes on where the copy ends."""
    with open_client(landed.mongo) as client:
        names = ("vehicle_state", "_fleetlake")
        copies = {name: list(client[landed.mongo.database][name].find()) for name in names}
        landed.send(20)
        landed.run_sinks()
        for name, copy in copies.items():
            client[landed.mongo.database][name].delete_many({})
            client[landed.mongo.database][name].insert_many(copy)
    report = landed.audit()
    assert report.findings.problems == []
    assert (report.state.not_read, report.state.in_motion > 0) == (20, True)
    landed.run_sinks("state")
    assert landed.audit().state.in_motion == 0


# -- dead letters -----------------------------------------------------------------------------------------


def test_a_doubled_dead_letter_is_named(landed: Stack) -> None:
    """A copy of one that is there."""
    send_again(landed, skip=0)
    (problem,) = landed.audit().findings.problems
    assert problem.kind == "dead_letter_doubled"
    assert problem.facts["offset"] in {18, 19}


def test_a_missing_dead_letter_is_named(stack: Stack) -> None:
    """Routes says it has passed the message."""
    stack.send(10, bad=2)
    stack.run_sinks("history", "state")
    claim_routed(stack)
    kinds = [kind for kind, _ in stack.problems()]
    assert kinds == ["dead_letter_missing", "dead_letter_missing"]


def test_a_dead_letter_of_an_accepted_message_is_named(landed: Stack) -> None:
    """History has it as a good one."""
    send_again(landed, skip=0, offset=2)
    (problem,) = landed.audit().findings.problems
    assert (problem.kind, problem.facts["offset"]) == ("dead_letter_stray", 2)


def dead_letters(stack: Stack) -> Iterator[dict[str, Any]]:
    """What the dead-letter topic holds."""
    topic = f"{stack.topic}.dlq"
    with PartitionReader(stack.kafka) as reader:
        for partition in range(3):
            for records in reader.read(TopicPartition(topic, partition), 0):
                yield from (json.loads(value) for value in records.values if value)


def send_again(stack: Stack, skip: int, **changes: Any) -> None:
    """Writes one of the dead letters once more, changed as asked."""
    letter = list(dead_letters(stack))[skip] | changes
    producer = Producer(stack.kafka)
    producer.send(f"{stack.topic}.dlq", None, json.dumps(letter).encode())
    producer.flush()


def claim_routed(stack: Stack) -> None:
    """Moves the routes group behind everything, as if it had done it."""
    consumer = GroupConsumer(stack.kafka, "routes")
    consumer.commit({TopicPartition(stack.topic, partition): 5 for partition in range(PARTITIONS)})
    consumer.close()
    assert group_offsets(stack.kafka, "routes")


def delete_records(stack: Stack, partition: int, before: int) -> None:
    """What retention does, at once."""
    from confluent_kafka import TopicPartition as Place
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": stack.kafka.bootstrap_servers})
    for future in admin.delete_records([Place(stack.topic, partition, before)]).values():
        future.result(10)


def test_the_report_is_json_and_text(landed: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get everything; people get a table, the problems and a verdict."""
    clean = landed.audit()
    show(clean, terminal(sys.stdout))
    assert "OK: 40 messages" in capsys.readouterr().out
    landed.add_rows(landed.rows(0, 5))
    landed.remove_vehicle("v3")
    report = landed.audit()
    found = json.loads(json.dumps(report.as_json()))
    assert found["ok"] is False
    assert {"partitions", "state", "problems"} <= found.keys()
    assert {problem["kind"] for problem in found["problems"]} == {"duplicate", "state_missing"}
    show(report, terminal(sys.stdout))
    text = capsys.readouterr().out
    assert f"duplicate: {landed.topic}/0: offset 5 has 2 rows" in text
    assert "state_missing: vehicle v3, speed: expected" in text
    assert "NOT OK: 1 duplicate, 1 state_missing" in text


@pytest.fixture
def command_line(landed: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Settings as an operator gives them, for the stack's servers and its topic."""
    built_in = files("contracts") / "sources" / "tcu.yml"
    contract = tmp_path / "tcu.yml"
    contract.write_text(built_in.read_text().replace("telemetry_raw", landed.topic))
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FLEETLAKE_CONTRACTS", json.dumps([str(contract)]))
    servers = of_kafka(landed.kafka) | of_mongo(landed.mongo) | of_lake(landed.lake)
    for name, value in servers.items():
        monkeypatch.setenv(name, value)
    Topics(landed.kafka).create(specs_from(load_registry([contract]), landed.kafka))
    return landed


def test_the_command_fails_and_names_what_is_off(
    command_line: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 and 1; `--json` is one object."""
    assert run(["audit"]) == 0
    assert "OK: 40 messages" in capsys.readouterr().out
    command_line.write_state("v1", "speed", entry_of(command_line, "v1") | {"v": 999.0})
    assert run(["audit", "--json", "--full"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert [problem["where"] for problem in found["problems"]] == ["vehicle v1, speed"]


def test_the_rebuild_command_repairs_the_state(
    command_line: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """What no sink could lower; a vehicle may be named rebuild all the same."""
    command_line.write_state("rebuild", "speed", entry_of(command_line, "v1") | {"v": 999.0})
    assert run(["state", "--", "rebuild"]) == 0
    assert json.loads(capsys.readouterr().out)["signals"]["speed"]["value"] == 999
    assert run(["audit"]) == 1
    assert run(["state", "rebuild"]) == 0
    assert "state of 5 vehicles rebuilt" in capsys.readouterr().out
    assert run(["audit"]) == 0


@pytest.mark.slow
def test_audits_beside_traffic_are_clean(stack: Stack) -> None:
    """All sinks run, messages come, one in ten is broken; whatever moment an audit looks at is in order."""
    stop, failures = Stop(), []

    def run_sink(sink: Callable[[], None]) -> None:
        try:
            sink()
        except Exception as failure:  # noqa: BLE001 - told by the test's thread
            failures.append(failure)

    ingest = stack.ingest.model_copy(update={"commit_seconds": 0.5})
    sinks = [
        lambda: history_run.run(stack.kafka, stack.lake, ingest, stack.registry, stop=stop),
        lambda: state_run.run(stack.kafka, stack.mongo, ingest, stack.registry, stop=stop),
        lambda: routes_run.run(stack.kafka, ingest, stack.registry, stop=stop),
    ]
    threads = [threading.Thread(target=run_sink, args=(sink,)) for sink in sinks]
    for thread in threads:
        thread.start()
    reports = []
    for _ in range(6):
        for _ in range(10):
            stack.send(30, bad=3)
        reports.append(stack.audit())
    stop.request()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert [problem.line for report in reports for problem in report.findings.problems] == []
    assert any(report.state.in_motion or report.state.not_read for report in reports)
    stack.run_sinks()
    last = stack.audit()
    assert last.is_ok
    assert (sum(each.rows for each in last.partitions), last.state.in_motion) == (1800, 0)
