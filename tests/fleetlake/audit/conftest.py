"""A stack with a topic of its own, and one through which messages went."""

from pathlib import Path

import pytest

from broker.settings import KafkaSettings
from broker.topic_specs import specs_from
from broker.topics import Topics
from contracts.load import load_registry
from contracts.registry import Registry
from ingest.settings import IngestSettings
from lake.settings import LakeSettings, MongoSettings
from tests.fleetlake.audit.audited import PARTITIONS, Stack


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
