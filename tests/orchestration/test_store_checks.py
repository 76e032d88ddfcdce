"""Checks of bronze and of the state: what comes in, and what was compared with Kafka and MongoDB."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from contracts.load import load_registry
from lake.bronze import open_or_create
from lake.schemas import BRONZE
from lake.settings import LakeSettings
from lake.storage import wait_ready
from orchestration.checks import all_checks_of
from orchestration.definitions import definitions
from orchestration.materialize import QUIET
from orchestration.proofs import Proof, Proofs
from orchestration.settings import OrchestrationSettings
from orchestration.store_checks import BRONZE as BRONZE_KEY
from orchestration.store_checks import EQUAL, OFFSETS, STATE
from tests.orchestration.evaluating import evaluate, lines_of
from tests.orchestration.planted import right, write
from transforms.arrivals import ARRIVALS
from transforms.build import Marts
from transforms.load import load_models
from transforms.reference import reference
from transforms.settings import TransformSettings

NOW = datetime.now(UTC)
FRESH, VOLUME = ((BRONZE_KEY, check.name) for check in ARRIVALS)
PROVEN = Proof("everything")


@pytest.fixture
def dagster() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def code_of(lake: LakeSettings, offsets: Proof = PROVEN, state: Proof = PROVEN) -> dg.Definitions:
    marts = Marts(lake, load_models(), reference(load_registry()), TransformSettings())
    return definitions(marts, OrchestrationSettings(), proofs=Proofs(lambda: offsets, lambda: state))


def land(lake: LakeSettings, source: str, count: int, landed: datetime, behind_s: float = 1) -> None:
    """Messages of one source, all landed at once."""
    rows = [
        {
            "topic_id": "life",
            "topic": f"{source}.telemetry",
            "partition": 0,
            "offset": number,
            "source": source,
            "kafka_time": landed - timedelta(seconds=behind_s),
            "ingest_time": landed,
            "ingest_date": landed.date(),
        }
        for number in range(count)
    ]
    write_deltalake(open_or_create(wait_ready(lake)), pa.Table.from_pylist(rows, BRONZE), mode="append")


def test_a_source_that_is_silent_or_late_is_named(
    lake_settings: LakeSettings, dagster: dg.DagsterInstance
) -> None:
    """One that still sends is not, nor one that was never heard of in the last week."""
    land(lake_settings, "steady", 2, NOW)
    land(lake_settings, "silent", 2, NOW - timedelta(hours=25))
    land(lake_settings, "late", 2, NOW, behind_s=901)
    land(lake_settings, "gone", 2, NOW - timedelta(days=30))
    (found,) = evaluate(code_of(lake_settings), dagster, FRESH)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert [line["source"] for line in lines_of(found)] == ["silent", "late"]
    assert found.metadata["wrong"].value == 2


def test_a_day_unlike_the_week_before_it_is_named(
    lake_settings: LakeSettings, dagster: dg.DagsterInstance
) -> None:
    """Too few, none at all, too many; of a source of two days nobody knows."""
    usual = {"steady": 10, "thin": 10, "ended": 10, "flood": 10}
    last = {"steady": 9, "thin": 1, "flood": 51, "young": 500}
    for back in range(2, 9):
        for source, count in usual.items():
            land(lake_settings, source, count, NOW - timedelta(days=back))
    land(lake_settings, "young", 1, NOW - timedelta(days=2))
    for source, count in last.items():
        land(lake_settings, source, count, NOW - timedelta(days=1))
    land(lake_settings, "steady", 1, NOW)
    (found,) = evaluate(code_of(lake_settings), dagster, VOLUME)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    told = {line["source"]: (line["messages"], line["ratio"]) for line in lines_of(found)}
    assert told == {"ended": ("0", "0"), "flood": ("51", "5.1"), "thin": ("1", "0.1")}


@pytest.mark.parametrize("is_empty", [True, False])
def test_what_comes_as_usual_passes(
    lake_settings: LakeSettings, dagster: dg.DagsterInstance, is_empty: bool
) -> None:
    """As does a lake in which nothing was ever landed."""
    for back in range(0 if is_empty else 9):
        land(lake_settings, "steady", 10, NOW - timedelta(days=back))
    found = evaluate(code_of(lake_settings), dagster, FRESH, VOLUME)
    assert [each.passed for each in found] == [True, True]


@pytest.mark.parametrize(
    ("proof", "severity", "said"),
    [
        (Proof("x", 3, [{"where": "t/0"}]), dg.AssetCheckSeverity.ERROR, "3 are wrong, such as where=t/0"),
        (Proof("x", unknown="Kafka is away"), dg.AssetCheckSeverity.WARN, "not proven: Kafka is away"),
        (
            Proof("x", 1, [{"where": "t/0"}], "it is away"),
            dg.AssetCheckSeverity.ERROR,
            "1 are wrong, such as where=t/0; not proven",
        ),
    ],
)
def test_what_is_wrong_or_not_proven_has_not_passed(
    lake_settings: LakeSettings,
    dagster: dg.DagsterInstance,
    proof: Proof,
    severity: dg.AssetCheckSeverity,
    said: str,
) -> None:
    """A store that is away is no proof; only what was seen to be wrong is an error."""
    code = code_of(lake_settings, offsets=proof, state=proof)
    for check in ((BRONZE_KEY, OFFSETS.name), (STATE, EQUAL.name)):
        (found,) = evaluate(code, dagster, check)
        assert (found.passed, found.severity) == (False, severity)
        assert said in (found.description or "")
        assert lines_of(found) == list(proof.rows)
        assert found.metadata["covered"].value == "x"


def test_schedules_evaluate_every_check_that_no_run_of_a_table_does(
    lake_settings: LakeSettings, dagster: dg.DagsterInstance
) -> None:
    """By the hour and at night, at the times of the settings; at night the whole of silver as well."""
    silver = load_models()["silver.signals"]
    write(lake_settings, silver, [right(silver)])
    code = code_of(lake_settings)
    expected = {
        ("hour", "17 * * * *"): {"fresh", OFFSETS.name},
        ("night", "20 3 * * *"): {
            "volume_as_usual",
            EQUAL.name,
            *(check.name for check in all_checks_of(silver)),
        },
    }
    for (name, cron), checks in expected.items():
        schedule = code.resolve_schedule_def(f"checks_of_the_{name}_schedule")
        assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "UTC")
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        done = code.resolve_job_def(schedule.job_name).execute_in_process(instance=dagster, run_config=QUIET)
        assert {found.check_name for found in done.get_asset_check_evaluations()} == checks
