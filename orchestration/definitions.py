"""Everything that Dagster is told, in one place."""

import warnings

import dagster as dg

from lake.schemas import SILVER_SIGNALS, TABLES
from orchestration.assets import Listener, Told, bronze_asset, key_of, mart_asset, silver_asset
from orchestration.calendar import calendar
from orchestration.checks import checks_asset
from orchestration.maintenance import maintenance_job, tidy_job
from orchestration.nightly import Lent, audit_job, warehouse_job
from orchestration.proofs import Proofs
from orchestration.schedules import lent_schedules, schedules
from orchestration.sensors import bronze_sensor, marts_sensor
from orchestration.settings import OrchestrationSettings
from orchestration.store_checks import arrivals_asset, check_schedules, proof_assets, state_asset
from transforms.build import Marts
from transforms.plan import gold_models

SILVER_JOB, SILVER_ABOUT = "silver", "One increment of silver.signals: what bronze has gained."
MARTS_JOB, MARTS_ABOUT = "marts", "Days of marts that are due; its sensor asks for them."
REFRESH_JOB, REFRESH_ABOUT = "refresh", "Days of marts again, due or not: a backfill of a range."


def _nobody(told: Told) -> None:
    """Nobody waits for it."""


def definitions(
    marts: Marts,
    settings: OrchestrationSettings,
    told: Listener = _nobody,
    lent: Lent | None = None,
    proofs: Proofs | None = None,
) -> dg.Definitions:
    """The code location. `told` hears of each asset that is done in this process; jobs of what is not `lent`
    are left out, and without `proofs` nothing is compared with Kafka and MongoDB."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # BackfillPolicy: one run for many days
        days = calendar(settings)
        marts_made = [mart_asset(marts, model, days, told) for model in gold_models(marts)]
        silver_job = dg.define_asset_job(
            SILVER_JOB, dg.AssetSelection.assets(key_of(SILVER_SIGNALS.name)), description=SILVER_ABOUT
        )
        marts_job = dg.define_asset_job(MARTS_JOB, dg.AssetSelection.groups("gold"), description=MARTS_ABOUT)
        refresh_job = dg.define_asset_job(
            REFRESH_JOB, dg.AssetSelection.groups("gold"), description=REFRESH_ABOUT
        )
        tidy, maintenance = tidy_job(marts.lake), maintenance_job(marts.lake, [*TABLES, *_gold(marts)])
        of_the_clock = schedules(settings, tidy, maintenance)
        borrowed = []
        if lent is not None:
            borrowed = [warehouse_job(marts, lent.warehouse), audit_job(lent.audit)]
            of_the_clock += lent_schedules(settings, lent, *borrowed)
        checks = [
            *(checks_asset(marts, settings, model) for model in marts.models.values()),
            arrivals_asset(marts.lake, settings),
            *(proof_assets(proofs) if proofs else []),
        ]
        of_checks = check_schedules(settings, {key for each in checks for key in each.check_keys})
        return dg.Definitions(
            assets=[bronze_asset(), state_asset(), silver_asset(marts, told), *marts_made],
            asset_checks=checks,
            executor=dg.in_process_executor,  # a process per step costs more than the steps
            jobs=[silver_job, marts_job, refresh_job, tidy, maintenance, *borrowed],
            schedules=[*of_the_clock, *of_checks],
            sensors=[
                bronze_sensor(marts, settings, silver_job),
                marts_sensor(marts, settings, marts_job),
            ],
        )


def _gold(marts: Marts) -> list[str]:
    return [model.name for model in gold_models(marts)]
