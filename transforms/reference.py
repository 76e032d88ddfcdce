"""What models read beside messages: which source a topic is of, and what counts as an anomaly. Tables of a
layer of their own, `reference`, made anew from contracts and settings for every build."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from contracts.anomalies import thresholds
from contracts.registry import Registry
from lake.gold import WHOLE
from lake.snapshot import Snapshot

TOPICS = pa.schema(
    [
        ("topic", pa.string()),
        ("source", pa.string()),
        ("energy_meter", pa.string()),  # what charging energy counts: a session, or a lifetime
    ]
)
"""One row per topic of a contract."""

THRESHOLDS = pa.schema(
    [
        ("source", pa.string()),
        ("signal", pa.string()),
        ("kind", pa.string()),
        ("op", pa.string()),  # one of > >= < <=
        ("threshold", pa.float64()),  # in the signal's unit
    ]
)
"""One row per source, signal and kind of anomaly."""

SIGNALS = pa.schema([("signal", pa.string()), ("unit", pa.string()), ("type", pa.string())])
"""One row per signal of the catalog."""

SCHEMAS: Mapping[str, pa.Schema] = {
    "reference.topics": TOPICS,
    "reference.thresholds": THRESHOLDS,
    "reference.signals": SIGNALS,
}


@dataclass(frozen=True, slots=True)
class Reference:
    """The tables by name, all of SCHEMAS."""

    tables: Mapping[str, pa.Table]

    def snapshot(self, name: str) -> Snapshot:
        """As of any other table, so that a changed threshold makes due what was found by it."""
        rows = self.tables[name]
        digest = hashlib.blake2b(repr(rows.to_pylist()).encode(), digest_size=8).digest()
        return Snapshot(name, 0, {WHOLE: int.from_bytes(digest, "big")})


def reference(registry: Registry) -> Reference:
    """What the contracts of a process say."""
    contracts = registry.contracts.values()
    rows: dict[str, list[dict[str, Any]]] = {
        "reference.topics": [
            {"topic": topic, "source": each.name, "energy_meter": each.energy_meter}
            for each in contracts
            for topic in each.topics
        ],
        "reference.thresholds": list(_thresholds(registry)),
        "reference.signals": [
            {"signal": name, "unit": signal.unit, "type": signal.type}
            for name, signal in registry.catalog.items()
        ],
    }
    return Reference({name: pa.Table.from_pylist(rows[name], schema=SCHEMAS[name]) for name in SCHEMAS})


def _thresholds(registry: Registry) -> Iterator[dict[str, Any]]:
    for contract in registry.contracts.values():
        for signal, threshold in thresholds(contract, registry.catalog):
            yield {
                "source": contract.name,
                "signal": signal,
                "kind": threshold.kind,
                "op": threshold.op,
                "threshold": threshold.limit,
            }
