"""Rows of bronze that are gone, doubled, changed or too many are named by the audit."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from fleetlake.answers import terminal
from fleetlake.audit.payloads import Sample
from fleetlake.audit.show import show
from lake.schemas import BRONZE, BRONZE_EVENTS
from lake.settings import LakeSettings
from lake.storage import storage
from tests.fleetlake.audit.audited import PARTITIONS, Stack


@pytest.mark.parametrize(("first", "last"), [(0, 0), (7, 9), (19, 19)], ids=["first", "inside", "last"])
def test_a_row_that_is_gone_is_named(landed: Stack, first: int, last: int) -> None:
    """Kafka still has the message: it is lost."""
    landed.delete_row(1, first, last)
    report = landed.audit()
    problem = next(problem for problem in report.findings.problems if problem.kind == "lost")
    assert problem.where == f"{landed.topic}/1"
    assert (problem.facts["first_offset"], problem.facts["last_offset"]) == (first, last)
    assert report.findings.counts["lost"] == last - first + 1
    assert [each.lost for each in report.partitions] == [0, last - first + 1]


def test_a_partition_without_any_row_is_lost(landed: Stack) -> None:
    """Its checkpoint says that it was landed."""
    landed.delete_row(0, 0, 19)
    assert ("lost", f"{landed.topic}/0") in landed.problems()


def test_a_row_that_stands_twice_is_named(landed: Stack) -> None:
    """With its coordinate and how often."""
    landed.add_rows(landed.rows(0, 5))
    (problem,) = landed.audit().findings.problems
    assert (problem.kind, problem.where) == ("duplicate", f"{landed.topic}/0")
    assert (problem.facts["offset"], problem.facts["copies"]) == (5, 2)


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_a_row_that_stands_twice_under_another_topics_name_is_named(landed: Stack, name: str) -> None:
    """The identity of its topic tells that it is the same place."""
    row = landed.rows(0, 5)
    column = row.schema.get_field_index("topic")
    landed.add_rows(row.set_column(column, row.schema.field(column), pa.array([name])))
    problems = [found for found in landed.audit().findings.problems if found.kind == "duplicate"]
    assert [(found.where, found.facts["offset"]) for found in problems] == [(f"{landed.topic}/0", 5)]


def test_a_table_that_is_gone_is_named(landed: Stack) -> None:
    """History has told Kafka how far it landed, so an empty lake is not one that has not begun."""
    store = storage(landed.lake)
    store.files(BRONZE_EVENTS.name).delete_dir_contents("", accept_root_dir=True)
    report = landed.audit()
    assert not report.is_ok
    assert {("bronze_went_back", f"{landed.topic}/{partition}") for partition in range(PARTITIONS)} <= {
        (problem.kind, problem.where) for problem in report.findings.problems
    }


def test_a_changed_byte_is_named(landed: Stack) -> None:
    """Even one that decodes to the same."""
    payload = landed.rows(1, 4)["payload"][0].as_py()
    landed.change_row(1, 4, "payload", payload + b" ")
    assert landed.problems() == [("payload_differs", f"{landed.topic}/1 offset 4")]


def test_a_changed_key_is_named(landed: Stack) -> None:
    """Keys decide where a message goes."""
    landed.change_row(1, 4, "key", b"other")
    assert landed.problems() == [("key_differs", f"{landed.topic}/1 offset 4")]


def test_a_row_without_a_message_is_named(landed: Stack) -> None:
    """Nobody sent it: it lies behind the checkpoint, and changes the state that history gives."""
    row = landed.rows(0, 19)
    landed.add_rows(row.set_column(3, row.schema.field(3), pa.array([25], pa.int64())))
    kinds = {kind for kind, _ in landed.problems()}
    assert "beyond_checkpoint" in kinds


def test_a_table_that_lost_its_last_commit_is_named(landed: Stack) -> None:
    """Somebody removed the newest entry of its log: the rows before are all there, and nothing is missing
    between them."""
    landed.send(20)
    landed.run_sinks()
    assert landed.problems() == []
    store = storage(landed.lake)
    version = DeltaTable(store.table(BRONZE_EVENTS.name), storage_options=store.options()).version()
    newest = f"bronze/events/_delta_log/{version:020}.json"
    if store.locations.is_s3:
        prefix = landed.lake.uri.removeprefix(f"s3://{store.locations.bucket}/")
        store.client().delete_object(Bucket=store.locations.bucket, Key=f"{prefix}/{newest}")
    else:
        Path(landed.lake.uri, newest).unlink()
    assert {kind for kind, _ in landed.problems()} >= {"bronze_went_back"}


def test_two_lakes_behind_one_group_are_named_as_a_cause(
    landed: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each takes the other's offsets for its own, and letting history run would never cure that."""
    other = replace(landed, lake=LakeSettings(uri=str(tmp_path / "other lake")))
    other.run_sinks("history")
    landed.send(20)
    landed.run_sinks()
    report = other.audit()
    show(report, terminal(sys.stdout))
    text = " ".join(capsys.readouterr().out.split())
    assert "bronze_went_back" in report.findings.counts
    assert "another deployment with the same FLEETLAKE_KAFKA__GROUP_PREFIX" in text
    assert "cure of bronze_went_back: let history run" in text
    assert "give each a prefix of its own" in text


def test_a_missing_checkpoint_is_named(landed: Stack, tmp_path: Path) -> None:
    """Rows of a table that was copied without its log."""
    rows = landed.bronze().to_pyarrow_table().select(BRONZE.names).cast(BRONZE)
    landed.lake = LakeSettings(uri=str(tmp_path / "copy"))
    DeltaTable.create(
        storage(landed.lake).table(BRONZE_EVENTS.name), schema=BRONZE, partition_by=["ingest_date"]
    )
    write_deltalake(storage(landed.lake).table(BRONZE_EVENTS.name), rows, mode="append")
    assert ("checkpoint_missing", f"{landed.topic}/0") in landed.problems()


def at_most(number: int) -> Callable[[int], int]:
    """Chooses a number, or the greatest that is allowed."""
    return lambda below: min(number, below - 1)


def test_a_sample_is_the_ends_and_a_stretch_between() -> None:
    """In order, without overlaps, never more than asked for; all of a short log."""
    for messages in (1, 2, 3, 10, 50, 99, 100, 101, 200):
        for chosen in (0, 1):
            sample = Sample(messages, at_most(chosen))
            stretches = sample.stretches(1000, 1100)
            offsets = [offset for begin, end in stretches for offset in range(begin, end)]
            assert offsets == sorted(set(offsets))
            assert 0 < len(offsets) <= messages
            assert set(offsets) <= set(range(1000, 1100))
            assert messages < 100 or len(offsets) == 100
    assert Sample(0, lambda below: 0).stretches(0, 10) == []
    assert Sample(None, lambda below: 0).stretches(3, 9) == [(3, 9)]
