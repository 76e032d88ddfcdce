"""What Dagster's checks ask of the audit, on real servers: each fault that is planted fails its check, and is
named."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from broker.settings import KafkaSettings
from fleetlake.audit.proofs import offsets_proof, state_proof
from lake.schemas import BRONZE_EVENTS
from lake.storage import storage
from orchestration.definitions import definitions
from orchestration.proofs import Proof, Proofs
from orchestration.settings import OrchestrationSettings
from orchestration.store_checks import BRONZE, EQUAL, OFFSETS, STATE
from tests.fleetlake.audit.audited import Stack, entry_of
from tests.orchestration.evaluating import evaluate, lines_of
from transforms.build import Marts
from transforms.load import load_models
from transforms.reference import reference
from transforms.settings import TransformSettings

DAY_S = 86_400


@pytest.fixture
def dagster() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def away(kafka: KafkaSettings) -> KafkaSettings:
    """A broker that nobody has started."""
    return kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:9", "ready_timeout_s": 1.0})


def offsets_of(stack: Stack, kafka: KafkaSettings | None = None, days_later: int = 0) -> Proof:
    """Of the last two days, now or some days later."""
    today = datetime.now(UTC).date() + timedelta(days=days_later)
    return offsets_proof(kafka or stack.kafka, stack.lake, stack.registry, 2, today)


def state_of(stack: Stack) -> Proof:
    return state_proof(stack.kafka, stack.mongo, stack.lake, stack.registry)


def code_of(stack: Stack) -> dg.Definitions:
    marts = Marts(stack.lake, load_models(), reference(stack.registry), TransformSettings())
    proofs = Proofs(lambda: offsets_of(stack), lambda: state_of(stack))
    return definitions(marts, OrchestrationSettings(), proofs=proofs)


def test_both_pass_on_a_stack_that_is_well(landed: Stack, dagster: dg.DagsterInstance) -> None:
    """And say what they have looked at."""
    found = evaluate(code_of(landed), dagster, (BRONZE, OFFSETS.name), (STATE, EQUAL.name))
    assert [each.passed for each in found] == [True, True]
    covered = {each.check_name: str(each.metadata["covered"].value) for each in found}
    assert covered[OFFSETS.name].startswith("40 rows of 2 partitions, all that was ever landed; 0 messages")
    assert covered[EQUAL.name].startswith("5 values of 5 vehicles")


def test_an_offset_that_is_gone_or_doubled_is_named(landed: Stack, dagster: dg.DagsterInstance) -> None:
    """By topic, partition and offset."""
    landed.delete_row(1, 7, 9)
    landed.add_rows(landed.rows(0, 5))
    (found,) = evaluate(code_of(landed), dagster, (BRONZE, OFFSETS.name))
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert found.metadata["wrong"].value == 4
    named = {(line["problem"], line["where"], line["detail"].partition("&")[0]) for line in lines_of(found)}
    assert named == {
        ("lost", f"{landed.topic}/1", "offsets 7 to 9"),
        ("duplicate", f"{landed.topic}/0", "offset 5 has 2 rows"),
    }


def test_without_kafka_nothing_is_proven(landed: Stack) -> None:
    """A hole may be explained; what stands there twice is wrong all the same."""
    landed.delete_row(1, 7, 9)
    proof = offsets_of(landed, away(landed.kafka))
    assert (proof.wrong, proof.rows) == (0, [])
    assert "3 offsets have no row, and Kafka cannot be asked" in (proof.unknown or "")
    landed.add_rows(landed.rows(0, 5))
    proof = offsets_of(landed, away(landed.kafka))
    assert proof.wrong == 1
    assert [row["detail"] for row in proof.rows] == ["offset 5 has 2 rows"]
    assert proof.unknown


@pytest.mark.local_lake
def test_only_what_was_landed_in_the_last_days_is_looked_at(landed: Stack) -> None:
    """Also of a partition of which nothing came since."""
    landed.delete_row(1, 7)
    proof = offsets_of(landed, days_later=3)
    assert (proof.wrong, proof.unknown) == (0, None)
    assert proof.covered.startswith("0 rows of 2 partitions, what was landed after")
    before = entries(landed)
    landed.send(10)
    landed.run_sinks("history")
    landed.delete_row(0, 20, 24)
    date_in_three_days(entries(landed) - before)
    proof = offsets_of(landed, days_later=3)
    assert proof.wrong == 5
    assert [row["where"] for row in proof.rows] == [f"{landed.topic}/0"]


@pytest.mark.local_lake
def test_what_was_landed_long_ago_and_is_landed_again_is_named(landed: Stack) -> None:
    """Though its first row is not looked at; also where Kafka is away."""
    before, row = entries(landed), landed.rows(0, 5)
    column = row.schema.get_field_index("ingest_date")
    later = pa.array([datetime.now(UTC).date() + timedelta(days=3)], row.schema.field(column).type)
    landed.add_rows(row.set_column(column, row.schema.field(column), later))
    date_in_three_days(entries(landed) - before)
    for kafka in (landed.kafka, away(landed.kafka)):
        proof = offsets_of(landed, kafka, days_later=3)
        assert proof.wrong == 1
        assert [(row["where"], row["detail"]) for row in proof.rows] == [
            (f"{landed.topic}/0", "1 rows at offset 5 were landed again")
        ]


def test_a_value_that_is_not_the_historys_is_named(landed: Stack, dagster: dg.DagsterInstance) -> None:
    """By vehicle and signal."""
    landed.write_state("v2", "speed", entry_of(landed, "v2") | {"v": 999.0})
    (found,) = evaluate(code_of(landed), dagster, (STATE, EQUAL.name))
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert found.metadata["wrong"].value == 1
    assert [(line["problem"], line["where"]) for line in lines_of(found)] == [
        ("state&#95;differs", "vehicle v2, speed")
    ]


def test_a_state_that_cannot_be_asked_is_not_proven(landed: Stack) -> None:
    """MongoDB is away, or Kafka."""
    landed.mongo = landed.mongo.model_copy(
        update={
            "uri": "mongodb://127.0.0.1:9/?directConnection=true",
            "timeout_s": 0.5,
            "ready_timeout_s": 1.0,
        }
    )
    assert "MongoDB" in (state_of(landed).unknown or "")


def test_before_anything_is_landed_there_is_nothing_wrong(stack: Stack) -> None:
    """No table, no state."""
    assert [proof.wrong for proof in (offsets_of(stack), state_of(stack))] == [0, 0]
    assert [proof.unknown for proof in (offsets_of(stack), state_of(stack))] == [None, None]


def entries(stack: Stack) -> set[Path]:
    """The commits of bronze."""
    return set(Path(storage(stack.lake).table(BRONZE_EVENTS.name), "_delta_log").glob("*.json"))


def date_in_three_days(commits: set[Path]) -> None:
    then = time.time() + 3 * DAY_S
    for commit in commits:
        os.utime(commit, (then, then))
