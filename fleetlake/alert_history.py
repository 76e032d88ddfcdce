"""Facts of the past for a rule that is tried: out of the lake, or out of a recorded file."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from broker.record import Records
from contracts.decode import RawBatch
from contracts.envelope import NO_KAFKA_TIME
from contracts.model import Contract
from contracts.registry import Registry
from ingest.alerts.facts import SENSOR, FactFinder
from ingest.alerts.rules import ANOMALY, MESSAGE, Anomalies, Rule, RuleSet, Threshold
from ingest.alerts.track import Fact
from ingest.decoding import DecodedRun
from lake.query import Warehouse
from simulate.recordings import Recording

READINGS = """
    select vehicle_id, signal, sensor, epoch_us(effective_time) as t, value, text
    from silver.signals_live
    where signal in (select unnest(?)) and effective_time >= ? and effective_time < ?
        and event_date between ?::date and ?::date
    order by vehicle_id
"""
MESSAGES = """
    select distinct vehicle_id, epoch_us(effective_time) as t
    from silver.signals_live
    where effective_time >= ? and effective_time < ?
        and event_date between ?::date and ?::date
    order by vehicle_id
"""
ANOMALIES = """
    select vehicle_id, epoch_us(event_time) as t, value
    from gold.anomalies
    where kind = ? and event_time >= ? and event_time < ?
    order by vehicle_id
"""

DAY = timedelta(days=1)
"""An effective time may lie in another day than its event."""

Facts = Iterator[tuple[str, Fact]]


def facts_of_lake(lake: Warehouse, rule: Rule, since: datetime, until: datetime) -> Facts:
    """What the rule is judged by, within the times, vehicle by vehicle."""
    between = [since, until, (since - DAY).date(), (until + DAY).date()]
    if isinstance(rule.condition, Anomalies):
        kind = rule.condition.kind
        for row in _rows(lake, ANOMALIES, [kind, since, until]):
            yield row["vehicle_id"], Fact(row["t"], f"{ANOMALY}{kind}", row["value"])
    elif MESSAGE in rule.names:
        for row in _rows(lake, MESSAGES, between):
            yield row["vehicle_id"], Fact(row["t"], MESSAGE, 0.0)
    else:
        yield from _readings(lake, rule, between)


def facts_of_sample(
    file: Path, contract: Contract, registry: Registry, rules: RuleSet, vehicle: str | None
) -> Facts:
    """What the messages of a recorded file say, vehicle by vehicle."""
    recording = Recording(file)
    values: list[bytes | None] = list(recording)
    key = (vehicle or recording.stem).encode()
    count = len(values)
    records = Records(
        topic=contract.topics[0],
        partition=0,
        offsets=list(range(count)),
        times_ms=[NO_KAFKA_TIME] * count,
        keys=[key] * count,
        headers=[None] * count,
        values=values,
        next_offset=count,
    )
    batch = RawBatch(records.values, records.times_ms, records.keys, records.headers)
    run = DecodedRun(records, registry.decoder_of(contract).decode(batch), [(0, count)], 0, 0)
    for name, facts in sorted(FactFinder(registry, rules).find(run).items()):
        yield from ((name, fact) for fact in facts)


def _readings(lake: Warehouse, rule: Rule, between: Sequence[Any]) -> Facts:
    condition = rule.condition
    sensor = condition.sensor if isinstance(condition, Threshold) else None
    signals = sorted({name.partition(SENSOR)[0] for name in rule.names})
    for row in _rows(lake, READINGS, [signals, *between]):
        if sensor is None or row["sensor"] == sensor:
            name = row["signal"] if sensor is None else f"{row['signal']}{SENSOR}{sensor}"
            yield (
                row["vehicle_id"],
                Fact(row["t"], name, row["text"] if row["value"] is None else row["value"]),
            )


def _rows(lake: Warehouse, sql: str, parameters: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for batch in lake.query(sql, parameters).batches:
        yield from batch.to_pylist()
