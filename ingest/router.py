"""What follows from messages: dead letters, anomalies, readings re-keyed by vehicle, maxima, counters.

Nothing here talks to Kafka. What was learned on the way (who is greatest so far, how many were counted)
belongs to the transaction that carries the messages: `forget` when it is aborted, `counters` just before it
is committed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from broker.record import Records
from contracts.load import Registry
from contracts.model import Contract
from contracts.times import iso_text
from ingest.anomaly_messages import anomaly_messages
from ingest.dead_letter import EVENT_BYTES, dead_letters
from ingest.decoding import DecodedRun, RunDecoder
from ingest.maxima import Maxima, RekeyFilter
from ingest.outgoing import Outgoing


@dataclass
class Counts:
    """Of one source in one transaction."""

    processed: int = 0
    invalid: int = 0
    anomalies: int = 0


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a metrics message: what one transaction did. Sums of committed ones are exact."""

    time: str
    source: str
    processed: int
    valid: int
    invalid: int
    anomalies: int


_encode = msgspec.json.Encoder().encode


class Router:
    """Routes the messages of all contracts. `maxima` by internal topic, shared with who restores them."""

    def __init__(self, registry: Registry, decoder: RunDecoder, maxima: Mapping[str, Maxima]) -> None:
        self._registry, self._decoder, self._maxima = registry, decoder, maxima
        self._filters = {
            contract.name: RekeyFilter(contract, contract.maximum)
            for contract in registry.contracts.values()
            if contract.maximum
        }
        self._counts: dict[str, Counts] = {}
        self._event_bytes = EVENT_BYTES

    def route(self, runs: Sequence[Records]) -> Iterator[Outgoing]:
        """Everything that follows from runs of messages."""
        sources = [records for records in runs if records.topic not in self._maxima]
        for records in runs:
            if records.topic in self._maxima:
                yield from self._maxima[records.topic].rising(records)
        for run in self._decoder.decode_all(sources):
            contract = self._registry.for_topic(run.records.topic)
            if contract is not None:
                yield from self._route_source(run, contract)

    def counters(self, time_us: int) -> Iterator[Outgoing]:
        """What was routed since the last commit or abort, for the sources that want it counted."""
        for source, counts in self._counts.items():
            topic = self._registry.contracts[source].metrics_topic
            if topic is not None:
                counters = Counters(
                    time=iso_text(time_us),
                    source=source,
                    processed=counts.processed,
                    valid=counts.processed - counts.invalid,
                    invalid=counts.invalid,
                    anomalies=counts.anomalies,
                )
                yield Outgoing("metrics", topic, source.encode(), _encode(counters))

    def committed(self) -> None:
        """A new transaction begins to count from zero, with whole envelopes."""
        self._counts.clear()
        self._event_bytes = EVENT_BYTES

    def forget(self) -> None:
        """Nothing of what was routed since the last commit happened."""
        self._counts.clear()
        for rekeyed in self._filters.values():
            rekeyed.forget()

    @property
    def is_bare(self) -> bool:
        """Whether dead letters go without event, key and headers."""
        return self._event_bytes == 0

    def go_bare(self) -> None:
        """Until the next commit: a topic refused an envelope for its size. Coordinates and hash remain."""
        self._event_bytes = 0

    def _route_source(self, run: DecodedRun, contract: Contract) -> Iterator[Outgoing]:
        errors = run.decoded["error"]
        counts = self._counts.setdefault(contract.name, Counts())
        counts.processed += len(run)
        counts.invalid += len(run) - errors.null_count
        topic = contract.dead_letter_topic
        yield from dead_letters(run, topic, contract.name, contract.hash, self._event_bytes)
        for anomaly in anomaly_messages(run, contract, self._registry.catalog):
            counts.anomalies += 1
            yield anomaly
        if contract.name in self._filters:
            yield from self._filters[contract.name].rising(run)


def maxima_of(registry: Registry) -> dict[str, Maxima]:
    """One store for every contract that has a maximum, by internal topic."""
    return {
        contract.maximum.rekey_topic: Maxima(contract, contract.maximum)
        for contract in registry.contracts.values()
        if contract.maximum
    }
