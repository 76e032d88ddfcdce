"""While messages flow, the state and the history have not read the same. A value that only one of them can
have yet is no fault, if Kafka really has it where its coordinates say, by a look at Kafka that is younger
than what was read of the state."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from broker.record import Records, TopicPartition
from contracts.registry import Registry
from fleetlake.audit.log import Log
from ingest.decoding import RunDecoder
from ingest.metrics import SinkMetrics
from ingest.state_columns import TopicColumns
from ingest.state_reduce import state_key_of
from lake.state_model import Entry

MOST_LOOKED_UP = 50_000
"""Values that are looked up in Kafka; more than that means a sink is far behind, and says so."""


class Claim(NamedTuple):
    """A vehicle's signal is said to come from this message."""

    vehicle: str
    key: str
    entry: Entry


def place_of(entry: Entry) -> TopicPartition:
    """The partition that an entry names; one that no broker has where the text makes no sense."""
    topic, _, number = entry.p.rpartition("/")
    return TopicPartition(topic, int(number) if number.isdecimal() else -1)


@dataclass
class Motion:
    """Looks up claims in Kafka, all at once. `look` is taken then: a look from before the state was read ends
    before messages that the state has."""

    look: Callable[[], Log]
    registry: Registry
    _decoder: RunDecoder = field(init=False)

    def __post_init__(self) -> None:
        self._decoder = RunDecoder(self.registry, SinkMetrics("audit"))

    def confirmed(self, claims: Iterable[Claim]) -> set[Claim]:
        """Those that Kafka has exactly so, now."""
        by_partition: dict[TopicPartition, list[Claim]] = defaultdict(list)
        for claim in claims:
            by_partition[place_of(claim.entry)].append(claim)
        found: set[Claim] = set()
        if not by_partition:
            return found
        log = self.look()
        for partition, wanted in by_partition.items():
            if partition in log.spans:
                found |= self._found(log, partition, wanted)
        return found

    def _found(self, log: Log, partition: TopicPartition, wanted: list[Claim]) -> set[Claim]:
        offsets = {claim.entry.o for claim in wanted}
        there: set[Claim] = set()
        for records in log.read(partition, min(offsets), max(offsets) + 1):
            if not offsets.isdisjoint(records.offsets):
                there.update(self._claims(records, offsets))
        return there.intersection(wanted)

    def _claims(self, records: Records, offsets: set[int]) -> Iterator[Claim]:
        columns = TopicColumns.of(self.registry, records.topic)
        rows = columns.rows(self._decoder.decode(records)).filter(pl.col("o").is_in(list(offsets)))
        for row in rows.iter_rows(named=True):
            value = row["value"] + 0.0 if row["text"] is None else row["text"]
            yield Claim(row["vehicle"], state_key_of(row["key"]), Entry(row["t"], value, row["p"], row["o"]))
