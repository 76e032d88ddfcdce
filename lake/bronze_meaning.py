"""Messages of bronze as they count for silver. Of a source whose readings were derived again after its
contract was corrected, silver records that contract: messages that another one has decoded are decoded anew,
from their payloads, while they are read. Of all other sources bronze's own decoding counts.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from contracts.catalog import Catalog
from contracts.decode import Decoder, RawBatch
from contracts.envelope import NO_KAFKA_TIME, Headers
from contracts.model import Contract
from contracts.registry import Registry
from contracts.schema import DECODED
from lake.errors import Terminal
from lake.schemas import BRONZE
from lake.silver import Decoding, Extent

NO_CONTRACTS = Registry(Catalog({}), {})
"""Of a process that decodes nothing: what silver records of a source is all it goes by."""

DECIDES = ("topic", "source", "contract_hash")
"""Columns by which messages are alike: one contract speaks for them, and one has decoded them."""


class SilverOutdated(Terminal):
    """Bronze has to be read whole, and silver's readings of some sources are not all by the contracts that
    this process has: they would be added a second time, by another contract.

    Operator action: `fleetlake redecode --source NAME` for each of them, with the contracts that are right.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        self.sources = sorted(sources)
        super().__init__(
            f"silver.signals has readings of {', '.join(self.sources)} by other contracts than those of now; "
            "derive them again together: `fleetlake redecode "
            f"{' '.join(f'--source {source}' for source in self.sources)}`"
        )


class DecodedElsewhere(Exception):
    """Messages have to be decoded anew, which SQL cannot do: their payloads are read in this process."""


class Meaning:
    """How the messages of one version of silver are read on."""

    def __init__(self, registry: Registry, decodings: Mapping[str, Decoding]) -> None:
        self._registry, self._decodings = registry, dict(decodings)
        self._decoders: dict[str, Decoder] = {}
        self.decoded_anew = 0
        """Messages so far."""
        self.overruled: set[str] = set()
        """Sources of which a message counts as bronze has it, though silver records another contract: this
        process does not have that one."""

    @property
    def is_needed(self) -> bool:
        """Whether any message may count otherwise than bronze has it."""
        return bool(self._decodings)

    def require_whole(self) -> None:
        """Raises SilverOutdated unless messages that silver has read give again what it has."""
        partly = {source for source, each in self._decodings.items() if each.extent is not Extent.WHOLE}
        if partly or self.outdated():
            raise SilverOutdated(partly | self.outdated())

    def require_decoded(self, alike: Iterable[Mapping[str, str | None]]) -> None:
        """Raises DecodedElsewhere unless bronze's own decoding counts for all messages, of which the columns
        in DECIDES are given."""
        if any([self._anew(each["topic"] or "", each["source"], each["contract_hash"]) for each in alike]):
            raise DecodedElsewhere

    def outdated(self) -> set[str]:
        """Sources that count by a contract which this process does not have."""
        return {source for source, each in self._decodings.items() if each.contract != self._own(source)}

    def changed(self) -> dict[str, Decoding]:
        """What silver has to record of the messages read: some of a source are by another contract."""
        return {
            source: Decoding(self._decodings[source].contract, Extent.PARTLY)
            for source in self.overruled
            if self._decodings[source].extent is not Extent.PARTLY
        }

    def contract_of(self, topic: str, source: str | None) -> Contract | None:
        """The contract that speaks for messages now: by their topic, or by the name that bronze has."""
        return self._registry.for_topic(topic) or self._registry.contracts.get(source or "")

    def read(self, rows: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """Rows of bronze, all columns, with the decoding that counts; in another order."""
        if not self.is_needed:
            return rows
        plain = rows.cast(BRONZE)  # the change feed gives views of texts, which Arrow compares with nothing
        parts = (part for batch in plain for part in self._parts(batch))
        return pa.RecordBatchReader.from_batches(BRONZE, parts)

    def _parts(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        kept = None
        for alike in _alike(batch):
            contract = self._anew(**alike)
            if contract is not None:
                chosen = _rows_of(batch, alike)
                kept = pc.invert(chosen) if kept is None else pc.and_not(kept, chosen)
                yield self._decoded(batch.filter(chosen), contract)
        yield batch if kept is None else batch.filter(kept)

    def _anew(self, topic: str, source: str | None, contract_hash: str | None) -> Contract | None:
        """The contract to decode them by; None where bronze's decoding counts."""
        contract = self.contract_of(topic, source)
        name = source if contract is None else contract.name
        decoding = self._decodings.get(name or "")
        if name is None or decoding is None or decoding.contract == contract_number(contract_hash):
            return None
        if contract is not None and decoding.contract == contract_number(contract.hash):
            return contract
        self.overruled.add(name)
        return None

    def _decoded(self, batch: pa.RecordBatch, contract: Contract) -> pa.RecordBatch:
        decoder = self._decoders.get(contract.name)
        if decoder is None:
            decoder = self._decoders[contract.name] = self._registry.decoder_of(contract)
        decoded = decoder.decode(_raw(batch))
        self.decoded_anew += batch.num_rows
        columns = [(decoded if name in DECODED.names else batch).column(name) for name in batch.schema.names]
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    def _own(self, source: str) -> int | None:
        contract = self._registry.contracts.get(source)
        return None if contract is None else contract_number(contract.hash)


def contract_number(contract_hash: str | None) -> int:
    """Of 63 bits, so that Delta can record it; below 0 where nothing was decoded."""
    if contract_hash is None:
        return -1
    return int.from_bytes(hashlib.blake2b(contract_hash.encode(), digest_size=8).digest(), "big") >> 1


def _alike(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    table = pa.table({name: batch.column(name) for name in DECIDES})
    found: list[dict[str, Any]] = table.group_by(list(DECIDES)).aggregate([]).to_pylist()
    return found


def _rows_of(batch: pa.RecordBatch, alike: Mapping[str, str | None]) -> pa.Array:
    chosen = None
    for name, value in alike.items():
        column = batch.column(name)
        same = pc.is_null(column) if value is None else pc.fill_null(pc.equal(column, value), False)
        chosen = same if chosen is None else pc.and_(chosen, same)
    return chosen


def _raw(batch: pa.RecordBatch) -> RawBatch:
    """The messages as Kafka had them."""
    times = batch.column("kafka_time").cast(pa.int64()).to_pylist()
    return RawBatch(
        batch.column("payload").to_pylist(),
        [NO_KAFKA_TIME if time is None else time // 1000 for time in times],
        batch.column("key").to_pylist(),
        [_headers(pairs) for pairs in batch.column("headers").to_pylist()],
    )


def _headers(pairs: list[dict[str, Any]] | None) -> Headers:
    return None if pairs is None else [(pair["key"], pair["value"]) for pair in pairs]
