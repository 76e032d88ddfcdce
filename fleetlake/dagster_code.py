"""What Dagster loads: `dagster dev -m fleetlake.dagster_code`, and the webserver and daemon of the stack."""

from fleetlake.marts import marts
from fleetlake.settings import Settings
from orchestration.definitions import definitions

_settings = Settings()
defs = definitions(marts(_settings), _settings.dagster)
