"""What Dagster loads: `dagster dev -m fleetlake.dagster_code`, and the webserver and daemon of the stack."""

from datetime import UTC, datetime

from contracts.load import load_registry
from fleetlake.marts import marts
from fleetlake.nightly import lent
from fleetlake.settings import Settings
from orchestration.definitions import definitions
from orchestration.proofs import Proof, Proofs

_settings = Settings()
_registry = load_registry(_settings.contracts)


def _offsets() -> Proof:
    from fleetlake.audit.proofs import offsets_proof  # the clients of all stores: other runs do without

    today, days = datetime.now(UTC).date(), _settings.dagster.offsets_days
    return offsets_proof(_settings.kafka, _settings.lake, _registry, days, today)


def _state() -> Proof:
    from fleetlake.audit.proofs import state_proof

    return state_proof(_settings.kafka, _settings.mongo, _settings.lake, _registry)


defs = definitions(marts(_settings), _settings.dagster, lent=lent(_settings), proofs=Proofs(_offsets, _state))
