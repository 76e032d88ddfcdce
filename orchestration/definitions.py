"""Everything that Dagster is told, in one place."""

import warnings

import dagster as dg

from lake.schemas import SILVER_SIGNALS
from orchestration.assets import Listener, Told, bronze_asset, key_of, mart_asset, silver_asset
from orchestration.calendar import calendar
from orchestration.checks import checks_asset
from orchestration.sensors import bronze_sensor, marts_sensor
from orchestration.settings import OrchestrationSettings
from transforms.build import Marts
from transforms.plan import gold_models

SILVER_JOB, SILVER_ABOUT = "silver", "One increment of silver.signals: what bronze has gained."
MARTS_JOB, MARTS_ABOUT = "marts", "Days of marts; a backfill of a range goes through it as well."


def _nobody(told: Told) -> None:
    """Nobody waits for it."""


def definitions(marts: Marts, settings: OrchestrationSettings, told: Listener = _nobody) -> dg.Definitions:
    """The code location. `told` hears of each asset that is done in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # BackfillPolicy: one run for many days
        days = calendar(settings)
        marts_made = [mart_asset(marts, model, days, told) for model in gold_models(marts)]
        silver_job = dg.define_asset_job(
            SILVER_JOB, dg.AssetSelection.assets(key_of(SILVER_SIGNALS.name)), description=SILVER_ABOUT
        )
        marts_job = dg.define_asset_job(MARTS_JOB, dg.AssetSelection.groups("gold"), description=MARTS_ABOUT)
        return dg.Definitions(
            assets=[bronze_asset(), silver_asset(marts, told), *marts_made],
            asset_checks=[checks_asset(marts, model) for model in marts.models.values()],
            executor=dg.in_process_executor,  # a process per step costs more than the steps
            jobs=[silver_job, marts_job],
            sensors=[
                bronze_sensor(marts, settings, silver_job),
                marts_sensor(marts, settings, marts_job),
            ],
        )
