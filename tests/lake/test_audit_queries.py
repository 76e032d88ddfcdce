"""What bronze holds of every partition, counted against plain Python."""

import tempfile
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lake.audit_queries import Doubled, Gap, LandedPartition, landed_coordinates
from lake.settings import LakeSettings, QuerySettings

PARTITIONS = st.tuples(st.sampled_from(["life1.a", "life2.a"]), st.just("a"), st.integers(0, 1))
OFFSETS = st.lists(st.integers(0, 12) | st.just(2**40), min_size=1, max_size=12)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(landed=st.dictionaries(PARTITIONS, OFFSETS, min_size=1, max_size=4), cut=st.integers(0, 12))
def test_every_hole_and_every_double_is_named(
    write_bronze: Callable[..., Any],
    bronze_row: Callable[..., Any],
    landed: dict[tuple[str, str, int], list[int]],
    cut: int,
) -> None:
    """Whatever the offsets, their order and their commits; a topic's lives are counted apart."""
    rows = [
        bronze_row(topic_id=topic_id, topic=topic, partition=partition, offset=offset)
        for (topic_id, topic, partition), offsets in landed.items()
        for offset in offsets
    ]
    partitions, gaps, doubled = [], [], []
    for (topic_id, topic, partition), offsets in sorted(landed.items(), key=lambda p: (p[0][2], p[0][0])):
        counts = Counter(offsets)
        present = sorted(counts)
        here = [
            Gap(topic_id, topic, partition, low + 1, high - 1)
            for low, high in pairwise(present)
            if high - low > 1
        ]
        twice = [Doubled(topic_id, topic, partition, o, n) for o, n in sorted(counts.items()) if n > 1]
        missing, extra = sum(gap.last - gap.first + 1 for gap in here), len(offsets) - len(present)
        partitions.append(
            LandedPartition(topic_id, topic, partition, present[0], present[-1], len(offsets), missing, extra)
        )
        gaps += here
        doubled += twice

    with tempfile.TemporaryDirectory() as folder:
        lake = LakeSettings(uri=folder)
        write_bronze(lake, rows[:cut])
        version = write_bronze(lake, rows[cut:]).version()
        with landed_coordinates(lake, version) as coordinates:
            assert coordinates.partitions() == partitions
            assert list(coordinates.gaps()) == gaps
            assert list(coordinates.doubled()) == doubled


def test_checksums_of_a_stretch_are_those_of_the_bytes(
    s3_lake_settings: LakeSettings, write_bronze: Callable[..., Any], bronze_row: Callable[..., Any]
) -> None:
    """In order of offset, both ends included, null payloads told from empty ones, of one life only."""
    payloads = {0: b"\x00\xff", 1: b"", 2: None, 3: b"{}", 9: b"later"}
    rows = [bronze_row(offset=offset, payload=payload, key=None) for offset, payload in payloads.items()]
    other = [bronze_row(offset=1, topic_id="other"), bronze_row(offset=1, partition=1)]
    version = write_bronze(s3_lake_settings, [*reversed(rows), *other]).version()
    with landed_coordinates(s3_lake_settings, version) as coordinates:
        found = list(coordinates.payloads("life.topic", "topic", 0, 0, 3))
    assert [(row.offset, row.size, row.sha256, row.key) for row in found] == [
        (0, 2, sha256(b"\x00\xff").hexdigest(), None),
        (1, 0, sha256(b"").hexdigest(), None),
        (2, None, None, None),
        (3, 2, sha256(b"{}").hexdigest(), None),
    ]


def test_rows_of_two_versions_of_a_contract_are_told_apart(
    lake_settings: LakeSettings, write_bronze: Callable[..., Any], bronze_row: Callable[..., Any]
) -> None:
    """A rolling upgrade shows as two hashes of one source."""
    version = write_bronze(
        lake_settings, [bronze_row(offset=i, contract_hash=h) for i, h in enumerate("aab")]
    ).version()
    with landed_coordinates(lake_settings, version) as coordinates:
        uses = coordinates.contracts()
    assert sorted((use.source, use.contract_hash, use.rows) for use in uses) == [
        ("tcu", "a", 2),
        ("tcu", "b", 1),
    ]


def test_an_empty_history_has_no_partitions(
    lake_settings: LakeSettings, write_bronze: Callable[..., Any]
) -> None:
    """Nothing landed, nothing missing."""
    version = write_bronze(lake_settings, []).version()
    with landed_coordinates(lake_settings, version) as coordinates:
        assert coordinates.partitions() == []
        assert list(coordinates.gaps()) == []


def test_more_offsets_than_fit_in_memory_are_counted(
    lake_settings: LakeSettings, write_bronze: Callable[..., Any], bronze_row: Callable[..., Any]
) -> None:
    """Shuffled, one missing, one doubled."""
    small = lake_settings.model_copy(update={"query": QuerySettings(memory_limit="50MiB", threads=1)})
    row = bronze_row()
    offsets = [(i * 7919) % 150_000 for i in range(150_000)]
    offsets[offsets.index(77)] = 78
    for start in range(0, 150_000, 50_000):
        table = write_bronze(small, (row | {"offset": o} for o in offsets[start : start + 50_000]))
    with landed_coordinates(small, table.version()) as coordinates:
        (partition,) = coordinates.partitions()
        assert (partition.rows, partition.missing, partition.doubled) == (150_000, 1, 1)
        assert [(gap.first, gap.last) for gap in coordinates.gaps()] == [(77, 77)]
        assert [(each.offset, each.copies) for each in coordinates.doubled()] == [(78, 2)]
