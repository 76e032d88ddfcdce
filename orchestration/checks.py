"""The checks of the models as Dagster's asset checks. One that fails names the rows."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from lake.schemas import SILVER_SIGNALS
from orchestration.assets import key_of
from orchestration.calendar import INSIDE, ends
from orchestration.evaluation import evaluation, spec_of
from orchestration.results import DAYS_ADDED_TO
from orchestration.settings import OrchestrationSettings
from transforms.build import Marts
from transforms.checks import checks_of, run_checks
from transforms.model import Check, Model

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
ONE_PARTITION = "dagster/partition"


def all_checks_of(model: Model) -> list[Check]:
    """The model's, and of silver that its days are Dagster's."""
    return [*checks_of(model), *([INSIDE] if model.name == SILVER_SIGNALS.name else [])]


def checks_asset(marts: Marts, settings: OrchestrationSettings, model: Model) -> dg.AssetChecksDefinition:
    """All checks of one table: of the days of the run, else of the whole table."""
    key, checks = key_of(model.name), all_checks_of(model)

    @dg.multi_asset_check(
        specs=[spec_of(key, check) for check in checks],
        name=f"checks_of_{model.name.replace('.', '_')}",
        can_subset=True,
    )
    def evaluate(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        names = {selected.name for selected in context.selected_asset_check_keys}
        chosen = [check for check in checks if check.name in names]
        for finding in run_checks(marts, model, chosen, _days(context, key), _given(settings)):
            yield evaluation(key, finding)

    return evaluate


def _given(settings: OrchestrationSettings) -> Mapping[str, Any]:
    return ends(settings, datetime.now(UTC).date())


def _days(context: dg.AssetCheckExecutionContext, key: dg.AssetKey) -> Collection[str] | None:
    """Of the run's tags, or those that its increment has added to; else the whole table is checked."""
    tags = context.run.tags
    days = [tags[name] for name in (ONE_PARTITION, RANGE_START, RANGE_END) if name in tags]
    return days or _added_to(context, key) or None


def _added_to(context: dg.AssetCheckExecutionContext, key: dg.AssetKey) -> Collection[str]:
    event = context.instance.get_latest_materialization_event(key)
    made = event.asset_materialization if event is not None and event.run_id == context.run.run_id else None
    days = made.metadata.get(DAYS_ADDED_TO) if made is not None else None
    return list(days.value or ()) if isinstance(days, dg.JsonMetadataValue) else []
