"""The greatest value per vehicle, in two steps that any number of processes may share.

Whoever reads a reading re-keys it by vehicle, unless it re-keyed a greater one before (`RekeyFilter`).
Whoever owns the vehicle's internal partition publishes a reading that rises above what stands in the output
partition of the same number (`Maxima`). An abort makes both forget: what they know is only ever what Kafka
has, so the answer does not depend on who reads what, in which order, or how often.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import polars as pl

from broker.record import Records, TopicPartition
from contracts.maximum import maximum_readings
from contracts.model import Contract
from contracts.parts import MaximumOutput
from contracts.render import MaximumDocuments, MaximumReading
from ingest.decoding import DecodedRun
from ingest.outgoing import Outgoing

MOST_REMEMBERED = 500_000
"""Vehicles a filter remembers, at most: about 60 MB. Forgetting costs messages, nothing else."""

FIRST_SEEN = -float("inf")


class RekeyFilter:
    """Re-keys the readings of one contract that may be a maximum; the fewest that are sure to suffice."""

    def __init__(self, contract: Contract, output: MaximumOutput) -> None:
        self._output = output
        self._documents = MaximumDocuments(contract, output)
        self._greatest: dict[str, float] = {}

    def rising(self, run: DecodedRun) -> Iterator[Outgoing]:
        """Per vehicle the run's greatest reading, if it is above all that were re-keyed and not forgotten.

        Of equal readings the earliest counts, then the sensor's name decides.
        """
        columns = maximum_readings(run.decoded, self._output)
        if not columns.num_rows:
            return
        for reading in self._greatest_each(pl.DataFrame(columns)):
            if reading.value > self._greatest.get(reading.vehicle_id, FIRST_SEEN):
                self._remember(reading)
                key, document = reading.vehicle_id.encode(), self._documents.write(reading)
                yield Outgoing("reading", self._output.rekey_topic, key, document)

    def forget(self) -> None:
        """What was re-keyed may not have been committed."""
        self._greatest.clear()

    def _greatest_each(self, readings: pl.DataFrame) -> Iterator[MaximumReading]:
        greatest = (
            readings.filter(pl.col("value") == pl.col("value").max().over("vehicle_id"))
            .sort("event_time", "sensor")
            .unique("vehicle_id", keep="first", maintain_order=True)
            .with_columns(pl.col("event_time").to_physical())
        )
        companions = self._output.companions
        for row in greatest.iter_rows(named=True):
            beside = {name: row[name] for name in companions if row[name] is not None}
            yield MaximumReading(row["vehicle_id"], row["value"], row["event_time"], row["sensor"], beside)

    def _remember(self, reading: MaximumReading) -> None:
        if len(self._greatest) >= MOST_REMEMBERED:
            self._greatest.clear()
        self._greatest[reading.vehicle_id] = reading.value


@dataclass
class Maxima:
    """What stands in the output partitions whose internal partitions this process owns."""

    contract: Contract
    output: MaximumOutput
    _standing: dict[int, dict[str, float]] = field(default_factory=dict)
    _documents: MaximumDocuments = field(init=False)

    def __post_init__(self) -> None:
        self._documents = MaximumDocuments(self.contract, self.output)

    def restore(self, partition: int, written: Iterable[Records]) -> int:
        """Takes a partition over with everything that its output partition has; returns the vehicles."""
        standing: dict[str, float] = {}
        for reading in self._readings(written):
            if reading.value > standing.get(reading.vehicle_id, FIRST_SEEN):
                standing[reading.vehicle_id] = reading.value
        self._standing[partition] = standing
        return len(standing)

    def release(self, partitions: Iterable[int]) -> None:
        """Gives partitions up."""
        for partition in partitions:
            self._standing.pop(partition, None)

    def rising(self, rekeyed: Records) -> Iterator[Outgoing]:
        """The readings of an internal partition that raise their vehicle's maximum, in order.

        The document goes on as it is, into the output partition of the same number.
        """
        standing = self._standing[rekeyed.partition]
        for value in rekeyed.values:
            reading = self._documents.read(value)
            if value is None or reading is None:
                continue
            if reading.value > standing.get(reading.vehicle_id, FIRST_SEEN):
                standing[reading.vehicle_id] = reading.value
                key = reading.vehicle_id.encode()
                yield Outgoing("maximum", self.output.topic, key, value, None, rekeyed.partition)

    def output_partition(self, internal: TopicPartition) -> TopicPartition:
        """Where the maxima of an internal partition stand."""
        return TopicPartition(self.output.topic, internal.partition)

    def _readings(self, written: Iterable[Records]) -> Iterator[MaximumReading]:
        for records in written:
            for value in records.values:
                reading = self._documents.read(value)
                if reading is not None:
                    yield reading
