"""A node of Apache Kafka whose cluster has a name that looks like something else."""

from pathlib import Path

import pytest

from tests.servers import Kafka


@pytest.mark.real_kafka
def test_a_cluster_id_may_begin_with_a_dash(tmp_path: Path) -> None:
    """One random id in 64 does; Kafka's own tool takes a dash for an option."""
    (tmp_path / "cluster.id").write_text("-AhZ2y1kQW6VX0nUqkzqvg")
    node = Kafka(tmp_path)
    try:
        node.start()
        assert "cluster.id=-AhZ2y1kQW6VX0nUqkzqvg" in (tmp_path / "data/meta.properties").read_text()
    finally:
        node.stop()
