"""One increment of silver: what bronze has gained since a lane last read it, without what silver has.

1. Silver is opened, then the newest version of bronze is asked for.
2. What bronze gained since the lane's last increment goes through the model, restricted to the lane; of
   sources that were derived again, by the contract that silver records of them.
3. What silver has of it already, at the version opened in 1, is left out.
4. The rest is appended, and in the same commit the lane is said to have read bronze up to that version.

A crash before 4 leaves nothing; a writer that came between is seen in 4, and nothing is added twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from contracts.registry import Registry
from lake.bronze import Bronze
from lake.bronze_meaning import NO_CONTRACTS, DecodedElsewhere, Meaning
from lake.errors import QueryFailed, StoreUnavailable
from lake.schemas import SILVER_SIGNALS
from lake.settings import EngineKind, LakeSettings
from lake.silver import BronzeRead, Lane, Silver
from lake.storage import wait_ready
from transforms.engines import Engine, engine
from transforms.model import Model
from transforms.statement import DIALECT


@dataclass(frozen=True, slots=True)
class Increment:
    """What one increment did: the versions of bronze it read, and what it added."""

    lane: Lane
    after: int | None
    up_to: int
    added: int
    days: frozenset[date]
    is_whole: bool = False
    """Whether it read all of bronze: the first one of a lane, and where the change feed has holes."""


def increment(
    settings: LakeSettings,
    model: Model,
    lane: Lane,
    before_commit: Callable[[], object] = lambda: None,
    *,
    registry: Registry = NO_CONTRACTS,
) -> Increment:
    """Brings one lane of silver up to the newest version of bronze.

    Raises SilverMoved where another writer was first; then nothing was added, and it may be repeated.
    SilverOutdated where bronze has to be read whole and would not give again what silver has.
    """
    try:
        return _increment(settings, model, lane, before_commit, registry)
    except DecodedElsewhere:
        decoding = settings.model_copy(update={"engine": EngineKind.DUCKDB})
        return _increment(decoding, model, lane, before_commit, registry)


def _increment(
    settings: LakeSettings,
    model: Model,
    lane: Lane,
    before_commit: Callable[[], object],
    registry: Registry,
) -> Increment:
    store = wait_ready(settings)
    silver, bronze = Silver(store), Bronze(store)
    before, now = silver.read_up_to(lane), BronzeRead(bronze.version, bronze.rows)
    after = before.version if before else None
    if before == now:
        return Increment(lane, after, now.version, 0, frozenset())
    meaning = Meaning(registry, silver.decodings())
    with engine(settings) as runs:
        is_whole = not (before and _keep_changes(runs, model, lane, before, now, meaning))
        if is_whole:
            meaning.require_whole()
            runs.open_whole(now.version, meaning)
            _keep_gained(runs, model, lane)
        runs.open_version(SILVER_SIGNALS.name, silver.version)
        added, days = _leave_out_known(runs, model)
        rows = runs.output("fresh", SILVER_SIGNALS, model.order)
        before_commit()
        silver.append(rows, lane, now, meaning.changed())
    return Increment(lane, after, now.version, added, days, is_whole)


def _keep_changes(
    runs: Engine, model: Model, lane: Lane, before: BronzeRead, now: BronzeRead, meaning: Meaning
) -> bool:
    """What bronze gained; False where not all of it can be told from the rest."""
    try:
        are_all = runs.open_added(before, now, meaning)
        _keep_gained(runs, model, lane)
    except (QueryFailed, StoreUnavailable):  # a store that is away says so again when bronze is read whole
        return False
    return are_all()


def _keep_gained(runs: Engine, model: Model, lane: Lane) -> None:
    runs.keep("gained", model.sql, {"is_hot": lane is Lane.HOT})


def _leave_out_known(runs: Engine, model: Model) -> tuple[int, frozenset[date]]:
    """Keeps what silver does not have as `fresh`; how many rows, and of which days."""
    days = runs.select("select distinct event_date from gained")["event_date"].to_pylist()
    runs.keep("fresh", _unknown(model.about.key), {"days": days})
    fresh = runs.select("select event_date, count(*) as readings from fresh group by all").to_pylist()
    return sum(row["readings"] for row in fresh), frozenset(row["event_date"] for row in fresh)


def _unknown(key: Sequence[str]) -> str:
    """Of the days given, what silver has no row of; null is a value like any other."""
    same = [exp.NullSafeEQ(this=_of("known", name), expression=_of("gained", name)) for name in key]
    of_these_days = exp.condition("known.event_date in (select unnest($days::date[]))", dialect=DIALECT)
    known = exp.select("1").from_(f"{SILVER_SIGNALS.name} as known").where(of_these_days, *same)
    return exp.select("*").from_("gained").where(exp.not_(exp.Exists(this=known))).sql(DIALECT)


def _of(table: str, column: str) -> exp.Column:
    return exp.column(column, table=table, quoted=True)
