"""What a rebuild of the state tells whoever waits for it."""

import pytest

from ingest import state_rebuild
from tests.ingest.conftest import NewFleet
from tests.ingest.telemetry_fleet import Fleet


@pytest.fixture
def fleet(new_fleet: NewFleet) -> Fleet:
    """Messages in bronze, and further ones in Kafka."""
    fleet = new_fleet(commit_seconds=0.05)
    fleet.send(200)
    fleet.land()
    fleet.send(30)
    return fleet


@pytest.mark.parametrize(("seconds", "further"), [(0.0, True), (1e9, False)], ids=["long", "short"])
def test_a_long_rebuild_says_how_far_it_is(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, seconds: float, *, further: bool
) -> None:
    """Of the history in vehicles, of Kafka in messages; a short one only names its steps."""
    monkeypatch.setattr(state_rebuild, "PROGRESS_SECONDS", seconds)
    told: list[str] = []
    site = fleet.site
    done = state_rebuild.rebuild(site.kafka, site.mongo, site.lake, site.registry, report=told.append)
    assert [step for step in told if step.startswith("re")] == [
        f"reading the history at version {done.bronze_version}",
        "reading 30 further messages from Kafka",
        "replacing the state",
    ]
    assert ("20 vehicles written" in told, "30 messages read" in told) == (further, further)
