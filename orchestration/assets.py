"""The tables of the lake as Dagster's assets: bronze, which the sinks write, silver, and every mart."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg
from pydantic import Field

from lake.errors import Transient
from lake.gold import WHOLE
from lake.schemas import BRONZE_EVENTS, SILVER_SIGNALS
from lake.silver import Lane
from orchestration.documentation import about, column_schema
from orchestration.results import days_of, of_build, of_glance, of_increments, of_rows
from transforms.build import Built, Marts, build
from transforms.increment import increment
from transforms.model import Model

ONLY_DUE = "fleetlake/only_due"
"""Tag of a run that is to build no more of its days than are due; without it, all are built."""

RETRIES = 3
RETRY_SECONDS = 5
KINDS = {"duckdb", "deltalake"}
OWNERS = ["team:fleetlake"]


class SilverConfig(dg.Config):
    """Which lanes an increment reads."""

    lanes: list[str] = Field(default_factory=lambda: [str(lane) for lane in Lane])


@dataclass(frozen=True, slots=True)
class Told:
    """What an asset did, for whoever waits for it."""

    asset: str
    rows: int
    seconds: float
    partitions: int


Listener = Callable[[Told], object]


def key_of(table: str) -> dg.AssetKey:
    """The asset of a table: silver.signals is silver/signals."""
    return dg.AssetKey(table.split("."))


def bronze_asset() -> dg.AssetSpec:
    """External: the history sink writes it, a sensor reports its new versions."""
    return dg.AssetSpec(
        key_of(BRONZE_EVENTS.name),
        description="Every Kafka message, exactly once, as it was received. Written by the history sink.",
        group_name="bronze",
        kinds={"kafka", "deltalake"},
        owners=OWNERS,
    )


def silver_asset(marts: Marts, told: Listener) -> dg.AssetsDefinition:
    """Incremental: each run reads what bronze has gained."""
    model = marts.models[SILVER_SIGNALS.name]

    @dg.asset(
        key=key_of(model.name),
        deps=[key_of(BRONZE_EVENTS.name)],
        description=about(model),
        metadata=column_schema(model),
        group_name="silver",
        kinds=KINDS,
        owners=OWNERS,
        pool=model.name,
    )
    def signals(config: SilverConfig) -> dg.MaterializeResult[None]:
        began = time.monotonic()
        with retried():
            done = [
                increment(marts.lake, model, Lane(lane), registry=marts.reference.registry)
                for lane in config.lanes
            ]
        added = sum(each.added for each in done)
        told(Told(model.name, added, time.monotonic() - began, len(days_of(done))))
        return dg.MaterializeResult(metadata=of_increments(done))

    return signals


def mart_asset(
    marts: Marts, model: Model, days: dg.PartitionsDefinition[str], told: Listener
) -> dg.AssetsDefinition:
    """One mart: the days of the run are built in one go, a mart without days as a whole."""
    is_daily = model.about.partition is not None

    @dg.asset(
        key=key_of(model.name),
        deps=[key_of(table) for table in sorted(model.reads) if table in {*marts.models, BRONZE_EVENTS.name}],
        description=about(model),
        metadata=column_schema(model),
        group_name="gold",
        kinds=KINDS,
        owners=OWNERS,
        pool=model.name,
        partitions_def=days if is_daily else None,
        backfill_policy=dg.BackfillPolicy.single_run() if is_daily else None,
    )
    def mart(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        asked = list(context.partition_keys) if is_daily else [WHOLE]
        began = time.monotonic()
        with retried():
            done = build(marts, model, asked, only_due=ONLY_DUE in context.run.tags)
        told(Told(model.name, sum(done.rows.values()), time.monotonic() - began, len(done.rows)))
        _show(context, model, done, asked)
        return dg.MaterializeResult(metadata=of_build(done))

    return mart


def _show(context: dg.AssetExecutionContext, model: Model, done: Built, asked: list[str]) -> None:
    """The rows of each partition with it, and what people look at with the last one."""
    for name, count in done.rows.items():
        context.add_asset_metadata(of_rows(name, count), partition_key=None if name == WHOLE else name)
    last = max(done.rows, default=max(asked))
    context.add_asset_metadata(of_glance(model, done), partition_key=None if last == WHOLE else last)


@contextmanager
def retried() -> Iterator[None]:
    """A store that does not answer, and a writer that was faster, are worth another try; nothing else is."""
    try:
        yield
    except Transient as error:
        raise dg.RetryRequested(RETRIES, RETRY_SECONDS) from error
