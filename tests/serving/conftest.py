"""Fleets that tests ask about: one that stays as it is, for all tests, and empty ones of a test's
own."""

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fleetlake.settings import Settings
from lake.mongo import open_client
from lake.settings import LakeSettings, MongoSettings
from tests.once import once
from tests.real_services import REAL
from tests.serving.scene import NOON, SENSORS, YESTERDAY, Api, Scene, api, drive, settings_of

FLEET = ("N1", "N2", "S1", "U1")


@pytest.fixture(scope="session")
def shared_mongo(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[MongoSettings]:
    """The database of the fleet that stays as it is."""
    given = pytestconfig.getoption("--mongo-uri")
    if not given:
        given = f"mongodb://{request.getfixturevalue('mongo_server').address}/?directConnection=true"
    settings = MongoSettings(uri=str(given), database=f"t{uuid.uuid4().hex[:12]}")
    yield settings
    with open_client(settings) as client:
        client.drop_database(settings.database)


@pytest.fixture(scope="session")
def fleet_settings(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, shared_mongo: MongoSettings
) -> Settings:
    """Of the fleet that stays as it is. Its lake is one for the whole run; each process has a MongoDB."""
    folder = tmp_path_factory.mktemp("fleet")
    lake = pytestconfig.stash[REAL].lake() or LakeSettings(uri=str(folder / "lake"))
    with once(pytestconfig, tmp_path_factory, "fleet-of-all") as file:
        if file.exists():
            made = json.loads(file.read_text())
            lake = lake.model_copy(update={"uri": made["uri"]})
            scene = Scene(settings_of(folder, lake, shared_mongo))
            scene.sent = made["sent"]
        else:
            scene = Scene(settings_of(folder, lake, shared_mongo))
            land_fleet(scene)
            file.write_text(json.dumps({"uri": lake.uri, "sent": scene.sent}))
    write_states(scene)
    scene.state.close()
    return scene.settings


def land_fleet(scene: Scene) -> None:
    """Yesterday in the marts, noon in silver, and a message of each that has landed since."""
    for vehicle in FLEET:
        drives = [*drive(vehicle, YESTERDAY), *drive(vehicle, YESTERDAY + timedelta(hours=3))]
        scene.land(*drives, (vehicle, YESTERDAY + timedelta(hours=5), {"speed": 200.0}), at=YESTERDAY)
        reading = {"temperature": 20.5, "humidity": 40.0, "latitude": 1.0, "longitude": 2.0}
        scene.land((vehicle, YESTERDAY, reading), topic=SENSORS, at=YESTERDAY)
    scene.land(("N1", YESTERDAY - timedelta(days=1), {"odometer": 1.0}), at=YESTERDAY - timedelta(days=1))
    scene.build("gold.signal_minute", "gold.trips", "gold.anomalies", "gold.signal_quality")
    scene.land(*(message for vehicle in FLEET for message in drive(vehicle, NOON)))
    scene.increment()
    scene.land(
        *((vehicle, NOON + timedelta(hours=1), {"speed": 190.0 + n}) for n, vehicle in enumerate(FLEET))
    )


def write_states(scene: Scene) -> None:
    """As those messages, the last ones of bronze, have left them."""
    scene.sent -= len(FLEET)
    for number, vehicle in enumerate(FLEET):
        scene.sent += 1
        place = {"latitude": 52.0 + number, "longitude": 13.0 + number}
        scene.write(vehicle, {"speed": 50.0, "soc": 80.0, "ignition": 1.0, **place})


@pytest.fixture(scope="session")
def fleet(fleet_settings: Settings) -> Iterator[Api]:
    """The API over it."""
    with api(fleet_settings) as client:
        yield client


@pytest.fixture
def own(tmp_path: Path, lake_settings: LakeSettings, mongo_settings: MongoSettings) -> Iterator[Scene]:
    """An empty fleet of the test's own."""
    scene = Scene(settings_of(tmp_path, lake_settings, mongo_settings))
    yield scene
    scene.state.close()
