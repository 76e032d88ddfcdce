"""Fixtures of the alerts' tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from broker.settings import KafkaSettings
from ingest.alerts.rules import RuleSet
from lake.settings import MongoSettings
from tests.ingest.alerts.alert_scene import AlertScene, rules_of, scene_of
from tests.ingest.alerts.hook_server import HookServer, hook_server


class NewScene(Protocol):
    """Makes a scene on the test's topic."""

    def __call__(self, rules: RuleSet | None = None, **alerts: Any) -> AlertScene: ...


@pytest.fixture
def hook() -> Iterator[HookServer]:
    """The webhook `ops`."""
    with hook_server() as server:
        yield server


@pytest.fixture
def new_scene(
    kafka_settings: KafkaSettings,
    mongo_settings: MongoSettings,
    topic_name: str,
    tmp_path: Path,
    hook: HookServer,
) -> NewScene:
    """On the servers of all tests; whoever is killed is soon missed."""
    kafka = kafka_settings.model_copy(update={"session_timeout_ms": 6_000})

    def make(rules: RuleSet | None = None, **alerts: Any) -> AlertScene:
        return scene_of(kafka, mongo_settings, topic_name, tmp_path, rules or rules_of(hook.url), **alerts)

    return make


@pytest.fixture
def scene(new_scene: NewScene) -> AlertScene:
    """Too fast above 100 km/h."""
    return new_scene()
