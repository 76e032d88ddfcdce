"""What a producer can write and no consumer expects: every sink passes over it alike, the history has it."""

from pathlib import Path

import pytest
from deltalake import DeltaTable

from broker.producer import Producer
from broker.settings import KafkaSettings
from broker.topic_specs import TopicSpec
from broker.topics import Topics, specs_from
from contracts.registry import Registry
from ingest import history_run, routes_run, state_run
from ingest.process import Stop
from ingest.settings import IngestSettings
from ingest.state_rebuild import rebuild
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from lake.state_model import VehicleState
from lake.storage import storage
from tests.broker.raw_produce import RawRecord, produce_raw
from tests.ingest.dead_letter_site import Site, event

MICROSECONDS, NANOSECONDS = 1_790_000_000_000_000, 1_790_000_000_000_000_000
ANY_TIME = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)}


@pytest.fixture
def site(kafka_settings: KafkaSettings, tmp_path: Path, topic_name: str) -> Site:
    """A topic that takes any timestamp, as those of Kafka before 4 do."""
    made = Site(kafka_settings, tmp_path, topic_name, topic_name.replace("-", "_"))
    Topics(kafka_settings).create([TopicSpec(topic_name, 1, config=ANY_TIME)])
    return made


def only(site: Site) -> Registry:
    """The site's contract, and no other."""
    registry = site.registry()
    return Registry(registry.catalog, {site.name: registry.contracts[site.name]}, registry.limits)


def states(mongo: MongoSettings) -> list[VehicleState]:
    """What MongoDB holds."""
    with StateStore(mongo) as store:
        return list(store.read_all())


def test_no_timestamp_and_no_header_name_stops_a_sink(
    site: Site, lake_settings: LakeSettings, mongo_settings: MongoSettings, tmp_path: Path
) -> None:
    """Good and bad messages in one batch with them, and what follows; a rebuild reads the same."""
    kafka, registry = site.kafka, only(site)
    ingest = IngestSettings(runtime_dir=tmp_path / "run")
    Topics(kafka).create(spec for spec in specs_from(registry, kafka) if spec.name != site.topic)
    for speed, time_ms in ((1, MICROSECONDS), (2, NANOSECONDS)):
        odd = (
            RawRecord(b"v1", event(speed), [(b"caf\xe9", b"1"), (b"trace", b"2")]),
            RawRecord(b"v1", b"{", [(b"\xff", b"3"), (b"\xfe", None)]),
        )
        produce_raw(kafka.bootstrap_servers, site.topic, *odd, time_ms=time_ms)
    producer = Producer(kafka)
    producer.send(site.topic, b"v1", event(3))
    producer.flush()

    history_run.run(kafka, lake_settings, ingest, registry, stop=Stop(), until_caught_up=True)
    state_run.run(kafka, mongo_settings, ingest, registry, stop=Stop(), until_caught_up=True)
    routes_run.run(kafka, ingest, registry, stop=Stop(), until_caught_up=True)

    store = storage(lake_settings)
    table = DeltaTable(store.table("bronze.events"), storage_options=store.options()).to_pyarrow_table()
    rows = sorted(table.to_pylist(), key=lambda row: row["offset"])
    assert [row["payload"] for row in rows] == [event(1), b"{", event(2), b"{", event(3)]
    assert [row["kafka_time"] is None for row in rows] == [True] * 4 + [False]
    assert [row["error"] for row in rows] == [None, "malformed_json", None, "malformed_json", None]
    good = [{"key": "not-utf8:caf%E9", "value": b"1"}, {"key": "trace", "value": b"2"}]
    bad = [{"key": "not-utf8:%FF", "value": b"3"}, {"key": "not-utf8:", "value": None}]
    assert [row["headers"] for row in rows] == [good, bad, good, bad, None]

    [state] = states(mongo_settings)
    assert state.signals["speed"].v == 3.0
    rebuild(kafka, mongo_settings, lake_settings, registry)
    assert [each.signals for each in states(mongo_settings)] == [state.signals]

    letters = site.letters()
    assert [letter.source_at.offset for letter in letters] == [1, 3]
    assert [letter.headers for letter in letters] == [[("not-utf8:%FF", b"3"), ("not-utf8:", None)]] * 2
