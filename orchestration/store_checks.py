"""Checks of what Dagster does not make: bronze, which the history sink writes, and the state in MongoDB.
Schedules ask for them: the cheap ones every hour, those that read a week or everything once a night."""

from collections.abc import Iterator, Set
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from lake.schemas import BRONZE_EVENTS, SILVER_SIGNALS
from lake.settings import LakeSettings
from orchestration.assets import OWNERS, key_of
from orchestration.evaluation import evaluation, first, shown, spec_of
from orchestration.proofs import Proof, Proofs, Prove
from orchestration.settings import OrchestrationSettings
from transforms.arrivals import ARRIVALS, FRESH, VOLUME, days_of, run_arrivals

BRONZE = key_of(BRONZE_EVENTS.name)
STATE = dg.AssetKey(["state", "vehicle_state"])

OFFSETS = dg.AssetCheckSpec(
    "offsets_contiguous",
    asset=BRONZE,
    description="Every message that history has passed is one row; Kafka explains the offsets without one",
)
EQUAL = dg.AssetCheckSpec(
    "state_equals_history",
    asset=STATE,
    description="Every value of every vehicle's state is the one that the history gives",
)
HOURLY = {dg.AssetCheckKey(BRONZE, FRESH.name), OFFSETS.key}
NIGHTLY = {dg.AssetCheckKey(BRONZE, VOLUME.name), EQUAL.key}


def check_schedules(
    settings: OrchestrationSettings, known: Set[dg.AssetCheckKey]
) -> list[dg.ScheduleDefinition]:
    """Of those checks that are `known`. At night the whole of silver is checked, too: its increments check
    the days that they add to."""
    night = settings.nightly_checks_at
    silver = {key for key in known if key.asset_key == key_of(SILVER_SIGNALS.name)}
    return [
        _schedule("checks_of_the_hour", f"{settings.hourly_checks_minute} * * * *", known & HOURLY),
        _schedule("checks_of_the_night", f"{night.minute} {night.hour} * * *", known & NIGHTLY | silver),
    ]


def _schedule(name: str, cron: str, checks: Set[dg.AssetCheckKey]) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        job=dg.define_asset_job(name, dg.AssetSelection.checks(*sorted(checks))),
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Evaluates {', '.join(sorted(key.name for key in checks))}.",
    )


def state_asset() -> dg.AssetSpec:
    """External: the state sink writes it."""
    return dg.AssetSpec(
        STATE,
        description="The latest value of every vehicle and signal, in MongoDB. Written by the state sink.",
        group_name="state",
        kinds={"kafka", "mongodb"},
        owners=OWNERS,
    )


def arrivals_asset(lake: LakeSettings, settings: OrchestrationSettings) -> dg.AssetChecksDefinition:
    """What bronze alone can tell of what comes in."""

    @dg.multi_asset_check(
        specs=[spec_of(BRONZE, check) for check in ARRIVALS], name="arrivals_of_bronze", can_subset=True
    )
    def arrivals(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        names = {selected.name for selected in context.selected_asset_check_keys}
        now = datetime.now(UTC)
        for check in ARRIVALS:
            if check.name in names:
                finding = run_arrivals(lake, check, now.date(), {"now": now, **_thresholds(settings)})
                days = days_of(check, now.date())
                yield evaluation(BRONZE, finding, f"what was landed from {days.first} to {days.last}")

    return arrivals


def proof_assets(proofs: Proofs) -> list[dg.AssetChecksDefinition]:
    """What bronze and the state have to be compared with other stores for."""
    return [_proof_asset(OFFSETS, proofs.offsets), _proof_asset(EQUAL, proofs.state)]


def _proof_asset(spec: dg.AssetCheckSpec, prove: Prove) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(specs=[spec], name=spec.name)
    def check() -> Iterator[dg.AssetCheckResult]:
        yield _result(spec, prove())

    return check


def _result(spec: dg.AssetCheckSpec, proof: Proof) -> dg.AssetCheckResult:
    """What could not be told has not passed; only what was seen to be wrong is an error."""
    told = [f"{proof.wrong:,} are wrong{first(proof.rows)}"] if proof.wrong else []
    told += [f"not proven: {proof.unknown}"] if proof.unknown else []
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=not told,
        severity=dg.AssetCheckSeverity.ERROR if proof.wrong else dg.AssetCheckSeverity.WARN,
        description=f"{spec.description}: {'; '.join(told)}" if told else None,
        metadata={"wrong": proof.wrong, "covered": proof.covered, **shown(proof.rows)},
    )


def _thresholds(settings: OrchestrationSettings) -> dict[str, Any]:
    names = ("silent_after_s", "behind_after_s", "volume_least", "volume_most")
    return {name: getattr(settings, name) for name in names}
