"""All contracts of a process: which one speaks for a topic, and the decoder that applies it."""

from collections.abc import Mapping

import pyarrow as pa

from contracts.catalog import Catalog
from contracts.decode import Decoder, RawBatch
from contracts.envelope import NO_KAFKA_TIME, Headers
from contracts.limits import DEFAULT_LIMITS, Limits
from contracts.model import Contract
from contracts.reasons import Reason
from contracts.result import Rejected
from contracts.schema import DECODED


class Registry:
    """The catalog and every contract, by name and by topic."""

    def __init__(
        self, catalog: Catalog, contracts: Mapping[str, Contract], limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self.catalog = catalog
        self.contracts = dict(contracts)
        self.limits = limits
        self._by_topic = {topic: contract for contract in contracts.values() for topic in contract.topics}
        self._by_former = {
            topic: contract for contract in contracts.values() for topic in contract.former_topics
        }

    def for_topic(self, topic: str) -> Contract | None:
        """The contract whose messages the topic carries, or carried."""
        return self._by_topic.get(topic) or self._by_former.get(topic)

    def decoder(self, topic: str) -> Decoder:
        """Decodes the topic's messages; of a topic without a contract, every message is `unknown_source`."""
        contract = self.for_topic(topic)
        return UnknownSource(topic) if contract is None else self.decoder_of(contract)

    def decoder_of(self, contract: Contract) -> Decoder:
        """Decodes messages by a contract, whatever topic they came by."""
        return Decoder(contract, self.catalog, self.limits)

    def topics(self) -> list[str]:
        """Source topics of all contracts, without former ones."""
        return list(self._by_topic)


class UnknownSource(Decoder):
    """Stands in for the contract that a topic does not have: it rejects every message."""

    def __init__(self, topic: str) -> None:
        placeholder = {"name": "unknown", "shape": "wide", "topics": {topic: {}}}
        places = {"vehicle": {"key": True}, "event_time": [{"field": "timestamp"}]}
        super().__init__(Contract.model_validate(placeholder | places), Catalog({}))
        self._rejected = Rejected(Reason.UNKNOWN_SOURCE, f"no contract names topic {topic}")

    def decode(self, batch: RawBatch) -> pa.RecordBatch:
        rows = len(batch)
        columns = {
            "error": pa.repeat(self._rejected.reason.value, rows),
            "error_detail": pa.repeat(self._rejected.detail, rows),
            "signals": empty_lists(rows, "signals"),
            "rejected_signals": empty_lists(rows, "rejected_signals"),
        }
        arrays = [columns.get(field.name, pa.nulls(rows, field.type)) for field in DECODED]
        return pa.RecordBatch.from_arrays(arrays, schema=DECODED)

    def decode_one(
        self,
        payload: bytes | None,
        kafka_time_ms: int = NO_KAFKA_TIME,
        key: bytes | None = None,
        headers: Headers = None,
    ) -> Rejected:
        del payload, kafka_time_ms, key, headers
        return self._rejected


def empty_lists(rows: int, column: str) -> pa.Array:
    """Rows without any element, not null."""
    kind = DECODED.field(column).type
    structs = pa.array([], kind.value_type)
    return pa.ListArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows + 1), structs, type=kind)
