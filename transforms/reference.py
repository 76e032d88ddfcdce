"""What models read beside messages: which source a topic is of, what counts as an anomaly, and what is known
of vehicles. Tables of a layer of their own, `reference`, made from contracts and settings at a process's
start."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from contracts.anomalies import thresholds
from contracts.registry import Registry
from lake.gold import WHOLE
from lake.snapshot import Snapshot
from transforms.vehicles import VEHICLES

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
    "reference.vehicles": VEHICLES,
}


@dataclass(frozen=True, slots=True)
class Reference:
    """The tables by name, all of SCHEMAS, and the contracts that they are made from."""

    tables: Mapping[str, pa.Table]
    registry: Registry

    def snapshot(self, name: str) -> Snapshot:
        """As of any other table, so that a changed threshold makes due what was found by it."""
        rows = self.tables[name]
        digest = hashlib.blake2b(repr(rows.to_pylist()).encode(), digest_size=8).digest()
        return Snapshot(name, 0, {WHOLE: int.from_bytes(digest, "big")})


def reference(registry: Registry, vehicles: pa.Table | None = None) -> Reference:
    """What the contracts of a process say, and its vehicle registry, if it has one."""
    contracts = registry.contracts.values()
    rows: dict[str, list[dict[str, Any]]] = {
        "reference.topics": [
            {"topic": topic, "source": each.name, "energy_meter": each.energy_meter}
            for each in contracts
            for topic in (*each.topics, *each.former_topics)
        ],
        "reference.thresholds": list(_thresholds(registry)),
        "reference.signals": [
            {"signal": name, "unit": signal.unit, "type": signal.type}
            for name, signal in registry.catalog.items()
        ],
    }
    tables = {name: pa.Table.from_pylist(found, schema=SCHEMAS[name]) for name, found in rows.items()}
    tables["reference.vehicles"] = VEHICLES.empty_table() if vehicles is None else vehicles
    return Reference(tables, registry)


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
