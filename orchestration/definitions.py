"""Everything that Dagster is told, in one place."""

import warnings

import dagster as dg

from orchestration.assets import Listener, Told, bronze_asset, mart_asset, silver_asset
from orchestration.calendar import calendar
from orchestration.checks import checks_asset
from orchestration.settings import OrchestrationSettings
from transforms.build import Marts
from transforms.plan import gold_models


def _nobody(told: Told) -> None:
    """Nobody waits for it."""


def definitions(marts: Marts, settings: OrchestrationSettings, told: Listener = _nobody) -> dg.Definitions:
    """The code location. `told` hears of each asset that is done in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # BackfillPolicy: one run for many days
        days = calendar(settings)
        marts_made = [mart_asset(marts, model, days, told) for model in gold_models(marts)]
        return dg.Definitions(
            assets=[bronze_asset(), silver_asset(marts, told), *marts_made],
            asset_checks=[checks_asset(marts, model) for model in marts.models.values()],
        )
