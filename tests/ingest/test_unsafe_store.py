"""History on a store that would let two of its processes overwrite each other's commits."""

import pytest

from broker.settings import KafkaSettings
from fleetlake.supervised import needs_operator
from lake.errors import ConditionalPutUnknown
from lake.settings import LakeSettings, MongoSettings, S3Settings
from lake.storage import storage, wait_ready
from lake.tables import exists
from tests.faults.proxy import Faults
from tests.faults.s3 import faulty
from tests.ingest.state_fleet import fleet_of


def test_history_does_not_start_on_a_store_that_overwrites(
    kafka_settings: KafkaSettings, mongo_settings: MongoSettings, s3_endpoint: str, topic_name: str
) -> None:
    """It says so at once, before there is a table, and a restart does not help."""
    s3 = S3Settings(endpoint_url=s3_endpoint, access_key_id="test", secret_access_key="test")  # noqa: S106
    direct = LakeSettings(uri=f"s3://{topic_name}/fleet", s3=s3)
    wait_ready(direct)
    with faulty(direct) as lake:
        fleet = fleet_of(kafka_settings, mongo_settings, lake.settings, topic_name)
        lake.proxy.set(Faults(forget="if-none-match"))
        with pytest.raises(ConditionalPutUnknown) as refused:
            fleet.land()
    assert needs_operator(refused.value)
    assert not exists(storage(direct), "bronze.events")
