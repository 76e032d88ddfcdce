"""Whether bronze has rows of a partition, asked for many at once."""

from datetime import UTC, datetime

import pyarrow as pa

from lake.bronze import Bronze, BronzePartition
from lake.bronze_file import FILE_SCHEMA
from lake.settings import LakeSettings
from lake.storage import wait_ready

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def test_partitions_with_rows_are_told_from_those_without(lake_settings: LakeSettings) -> None:
    """Across files, topics and lives of a topic; on a folder and on S3."""
    bronze = Bronze(wait_ready(lake_settings))
    assert bronze.with_rows([BronzePartition("new", 0)]) == set()
    for places in ([("a", 0), ("a", 1), ("b", 0)], [("c", 0), ("b", 0)]):
        file = bronze.new_file(DAY.date())
        rows = [
            {"topic_id": topic_id, "topic": "t", "partition": partition, "kafka_time": DAY, "offset": offset}
            for offset, (topic_id, partition) in enumerate(places)
        ]
        file.write(pa.Table.from_pylist(rows, schema=FILE_SCHEMA))
        bronze.commit([file.close()], {BronzePartition(*place): 9 for place in places})
        bronze.reload()

    asked = [
        BronzePartition(*place) for place in (("a", 1), ("a", 2), ("b", 0), ("b", 1), ("c", 0), ("d", 0))
    ]
    assert bronze.with_rows(asked) == {asked[0], asked[2], asked[4]}
    assert bronze.with_rows([]) == set()
    assert bronze.first_and_last(BronzePartition("b", 0)) == (1, 2)
