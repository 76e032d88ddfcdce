"""Fixtures of the sinks' tests."""

from pathlib import Path
from typing import Any, Protocol

import pytest

from broker.settings import KafkaSettings
from ingest.settings import IngestSettings
from lake.settings import LakeSettings, MongoSettings
from tests.ingest.sink_process import Site
from tests.ingest.telemetry_fleet import Fleet, registry_of


class NewFleet(Protocol):
    """Makes a fleet on the test's topic, with these settings of the sinks."""

    def __call__(
        self, *, kafka: KafkaSettings | None = None, mongo: MongoSettings | None = None, **ingest: Any
    ) -> Fleet: ...


@pytest.fixture
def new_fleet(
    kafka_settings: KafkaSettings,
    mongo_settings: MongoSettings,
    lake_settings: LakeSettings,
    topic_name: str,
    tmp_path: Path,
) -> NewFleet:
    """On the servers of all tests, unless others are given."""

    def make(
        *, kafka: KafkaSettings | None = None, mongo: MongoSettings | None = None, **ingest: Any
    ) -> Fleet:
        site = Site(
            kafka or kafka_settings,
            mongo or mongo_settings,
            lake_settings,
            IngestSettings(runtime_dir=tmp_path / "run", **ingest),
            registry_of(topic_name),
        )
        return Fleet(site, topic_name, tmp_path)

    return make


@pytest.fixture
def soon_missed(kafka_settings: KafkaSettings) -> KafkaSettings:
    """Whoever is killed is soon missed by its group."""
    return kafka_settings.model_copy(update={"session_timeout_ms": 6_000})
