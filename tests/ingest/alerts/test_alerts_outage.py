"""MongoDB goes away under a running alerts process."""

from dataclasses import replace
from pathlib import Path

import pytest

from lake.settings import MongoSettings
from tests.deadlines import eventually
from tests.ingest.alerts.alert_scene import AlertScene, running
from tests.servers import Mongo


@pytest.mark.slow
@pytest.mark.embedded_mongo
def test_what_comes_while_mongodb_is_away_is_judged_afterwards(scene: AlertScene, tmp_path: Path) -> None:
    """The process waits; nothing is lost, and nothing is told twice."""
    mongo = Mongo(tmp_path / "own-mongo")
    mongo.start()
    try:
        settings = MongoSettings(uri=mongo.uri, timeout_s=1.0)
        scene.site = replace(scene.site, mongo=settings)
        with running(scene):
            scene.send(("v", 1, 142.0))
            eventually(lambda: scene.outcomes() == [("opened", "delivered")])
            mongo.stop()
            scene.send(("v", 2, 60.0), ("w", 1, 150.0))
            mongo.start()
            eventually(lambda: scene.states() == [("v", 1, "resolved"), ("w", 1, "open")])
            eventually(lambda: [state for _, state in scene.outcomes()] == ["delivered"] * 3)
    finally:
        mongo.stop()
