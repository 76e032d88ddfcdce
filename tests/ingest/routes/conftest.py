"""Routes of a test's own."""

import uuid
from pathlib import Path

import pytest

from broker.settings import KafkaSettings
from ingest.settings import IngestSettings
from tests.ingest.routes_fleet import Fleet


@pytest.fixture
def ingest(tmp_path: Path) -> IngestSettings:
    return IngestSettings(runtime_dir=tmp_path / "run", transaction_seconds=0.05)


@pytest.fixture
def fleet(kafka_settings: KafkaSettings, ingest: IngestSettings) -> Fleet:
    """Cars and pressure sensors that have not sent anything."""
    fleet = Fleet(kafka_settings, ingest, uuid.uuid4().hex[:8])
    fleet.create_topics()
    return fleet
