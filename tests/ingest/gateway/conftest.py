"""Fixtures of the gateway's tests."""

import uuid
from pathlib import Path

import pytest

from broker.settings import KafkaSettings
from ingest.gateway.settings import GatewaySettings
from ingest.settings import IngestSettings
from lake.settings import MongoSettings
from tests.ingest.gateway.site import GatewaySite


@pytest.fixture
def site(kafka_settings: KafkaSettings, mongo_settings: MongoSettings, tmp_path: Path) -> GatewaySite:
    """On the servers of all tests; its topics are not made yet."""
    ingest = IngestSettings(runtime_dir=tmp_path / "run")
    patient = GatewaySettings(acknowledge_seconds=30)
    return GatewaySite(kafka_settings, mongo_settings, ingest, uuid.uuid4().hex[:8], patient)
