"""A topic of its own under the `tcu` contract: what was sent to it, and what the lake and the state must have
of it, by a plain computation message by message."""

import json
import random
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from broker.identity import TopicIdentities
from broker.offsets import group_offsets
from broker.producer import Producer
from broker.topic_specs import TopicSpec
from broker.topics import Topics
from contracts.load import load_registry
from contracts.registry import Registry
from ingest import history_run, state_run
from ingest.process import Stop
from ingest.state_rebuild import rebuild
from lake.bronze import Bronze, BronzePartition
from lake.state import StateStore
from lake.state_model import Entry, maximum_order, state_order
from lake.storage import storage
from tests.deadlines import meanwhile
from tests.ingest.sink_process import Site

PARTITIONS = 3
BASE_MS = 1_761_559_635_000
SIGNALS = ("speed", "odometer", "soc")
LOAD_PERIOD_SECONDS = 0.02
States = dict[str, tuple[dict[str, Entry], dict[str, Entry]]]


def registry_of(topic: str) -> Registry:
    """The contract `tcu` for one topic; the state also keeps the greatest speed."""
    base = load_registry()
    catalog = type(base.catalog)(
        {name: spec.model_copy(update={"track_max": name == "speed"}) for name, spec in base.catalog.items()}
    )
    settings = base.contracts["tcu"].source_topics["telemetry_raw"]
    contract = base.contracts["tcu"].model_copy(update={"source_topics": {topic: settings}})
    return Registry(catalog, {"tcu": contract})


@dataclass
class Fleet:
    """Sends by partition, so that offsets are known."""

    site: Site
    topic: str
    folder: Path
    payloads: dict[tuple[int, int], bytes] = field(default_factory=dict)
    readings: list[tuple[str, str, Entry]] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Topics(self.site.kafka).create([TopicSpec(self.topic, PARTITIONS)])
        self._producer = Producer(self.site.kafka)
        self._random = random.Random(self.topic)  # noqa: S311 - traffic

    def send(self, count: int, *, vehicles: int = 20, bad: float = 0.05) -> None:
        """Late, doubled and equal readings, and a share of messages that are none."""
        for _ in range(count):
            if self._random.random() < bad:
                self._send(b"{" + str(self._random.random()).encode())
            else:
                vehicle, signal = f"v{self._random.randrange(vehicles)}", self._random.choice(SIGNALS)
                time_ms = BASE_MS + self._random.randrange(10_000)
                self._send_reading(vehicle, signal, time_ms, float(self._random.randrange(40)))
        self._producer.flush()
        assert self._producer.failed == 0

    def _send_reading(self, vehicle: str, signal: str, time_ms: int, value: float) -> None:
        event = {"did": vehicle, "timestamp": time_ms, "name": signal, "float_value": value}
        partition, offset = self._send(json.dumps(event).encode())
        entry = Entry(time_ms * 1000, value, f"{self.topic}/{partition}", offset)
        self.readings.append((vehicle, signal, entry))

    def _send(self, payload: bytes) -> tuple[int, int]:
        partition = self._random.randrange(PARTITIONS)
        offset = self.ends.get(partition, 0)
        self._producer.send(self.topic, b"key", payload, partition=partition)
        self.ends[partition] = offset + 1
        self.payloads[partition, offset] = payload
        return partition, offset

    # -- ordinary processes -------------------------------------------------------------------------------

    def land(self, site: Site | None = None) -> None:
        """A history process from start to the log's end of now."""
        site = site or self.site
        history_run.run(site.kafka, site.lake, site.ingest, site.registry, stop=Stop(), until_caught_up=True)

    def catch_up(self) -> None:
        """A state process from start to the log's end of now."""
        site = self.site
        state_run.run(site.kafka, site.mongo, site.ingest, site.registry, stop=Stop(), until_caught_up=True)

    def rebuild(self) -> None:
        """The state anew from the history."""
        rebuild(self.site.kafka, self.site.mongo, self.site.lake, self.site.registry)

    # -- what came out ------------------------------------------------------------------------------------

    def history_problems(self) -> dict[str, Any]:
        """What is wrong with bronze and its checkpoints; empty is right."""
        rows = self.rows()
        found = dict(rows)
        wrong = {
            "lost": sorted(self.payloads.keys() - found.keys()),
            "extra": sorted(found.keys() - self.payloads.keys()),
            "doubled": len(rows) - len(found),
            "altered": sorted(key for key in found if self.payloads.get(key, found[key]) != found[key]),
            "checkpoints": differing(self.ends, self.checkpoints()),
            "group": differing(self.ends, self.committed("history")),
        }
        return {name: problem for name, problem in wrong.items() if problem}

    def state_problems(self) -> dict[str, Any]:
        """What is wrong with the state and the group's offsets; empty is right."""
        wrong = {
            "state": differing(self.expected_state(), self.state()),
            "group": differing(self.ends, self.committed("state")),
        }
        return {name: problem for name, problem in wrong.items() if problem}

    def rows(self) -> list[tuple[tuple[int, int], bytes]]:
        """Coordinates and bytes of every row of bronze."""
        store = storage(self.site.lake)
        table = DeltaTable(store.table("bronze.events"), storage_options=store.options())
        rows = table.to_pyarrow_table(columns=["partition", "offset", "payload"]).to_pylist()
        return [((row["partition"], row["offset"]), row["payload"]) for row in rows]

    def checkpoints(self) -> dict[int, int]:
        """What bronze records, where there are messages."""
        topic_id = TopicIdentities(self.site.kafka).read([self.topic])[self.topic]
        keys = [BronzePartition(topic_id, number) for number in range(PARTITIONS)]
        found = Bronze(storage(self.site.lake)).checkpoints(keys)
        return {key.partition: offset for key, offset in found.items() if offset}

    def committed(self, sink: str) -> dict[int, int]:
        """The group's offsets, where there are messages."""
        offsets = group_offsets(self.site.kafka, sink)
        return {key.partition: offset for key, offset in offsets.items() if offset}

    def state(self) -> States:
        """What MongoDB holds."""
        with StateStore(self.site.mongo) as store:
            return {state.vehicle_id: (dict(state.signals), dict(state.maxima)) for state in store.read_all()}

    def expected_state(self) -> States:
        """What the definition says."""
        states: States = {}
        for vehicle, signal, entry in list(self.readings):
            latest, greatest = states.setdefault(vehicle, ({}, {}))
            latest[signal] = max(latest.get(signal, entry), entry, key=state_order)
            if self.site.registry.catalog[signal].track_max:
                greatest[signal] = max(greatest.get(signal, entry), entry, key=maximum_order)
        return states


def differing(wanted: Mapping[Any, Any], found: Mapping[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    """(wanted, found) of every key where they are not the same."""
    keys = wanted.keys() | found.keys()
    return {key: (wanted.get(key), found.get(key)) for key in keys if wanted.get(key) != found.get(key)}


def under_load(fleet: Fleet, per_second: int = 2000) -> AbstractContextManager[None]:
    """Traffic without a pause while the block runs."""
    share = int(per_second * LOAD_PERIOD_SECONDS)
    return meanwhile(lambda: fleet.send(share), LOAD_PERIOD_SECONDS)
