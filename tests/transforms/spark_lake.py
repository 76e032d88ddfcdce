"""Lakes for tests that run on Spark, one session for all of them."""

import pytest

from lake.settings import EngineKind, LakeSettings, SparkSettings

SPARK = SparkSettings(
    master="local[2]",
    memory="1g",
    conf={
        # Tables of a few rows: what Spark does for large ones takes longer than the rows.
        "spark.driver.defaultJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.default.parallelism": "2",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    },
)


runs_spark = [
    pytest.mark.spark,
    pytest.mark.timeout(900),  # the first one of a run starts the session
    # pyspark (4.0) leaves the sockets open by which it fetches rows.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*<socket.socket:pytest.PytestUnraisableExceptionWarning"),
]
"""Of every test on Spark."""


def on_spark(settings: LakeSettings) -> LakeSettings:
    """The same lake, its tables made by Spark."""
    return settings.model_copy(update={"engine": EngineKind.SPARK, "spark": SPARK})
