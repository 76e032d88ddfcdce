"""A topic of its own under the `tcu` contract, rules, a webhook, and alerts processes: in threads, or of
their own to be killed."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from broker.offsets import group_offsets
from broker.producer import Producer
from broker.settings import KafkaSettings
from ingest.alerts.metrics import SINK
from ingest.alerts.rules import RuleSet
from ingest.alerts.run import AlertSite, run
from ingest.alerts.settings import AlertSettings
from ingest.process import Stop, StoppedBeforeStart, configure_logs
from ingest.settings import IngestSettings
from ingest.steps import AlertStep, Steps
from lake.alert_outbox import DELIVERIES, AlertOutbox
from lake.alert_store import AlertStore
from lake.mongo import Document, open_client
from lake.settings import MongoSettings
from tests.deadlines import eventually
from tests.ingest.forked import Forked, forks
from tests.ingest.in_thread import in_healthy_thread
from tests.ingest.sink_process import killing_at, untold
from tests.ingest.telemetry_fleet import registry_of
from tests.ingest.topics import make_topic

PARTITIONS = 3
BASE_MS = 1_761_559_635_000
SECRET = "the secret of the tests"  # noqa: S105 - of nothing
DEADLINE_S = 60.0
TAKEN_OVER_S = 120.0
"""Apache Kafka took up to 50 s to give a killed member's partitions to the other."""


def rules_of(url: str, **changes: Any) -> RuleSet:
    """Too fast above 100 km/h, until 90; told to one webhook."""
    fast = {
        "name": "fast",
        "summary": "{vehicle} at {value}",
        "threshold": {"signal": "speed", "op": ">", "value": 100, "clear": 90},
        "webhooks": ["ops"],
    }
    given = {"settle": "0s", "webhooks": {"ops": {"url": url}}, "rules": [fast], **changes}
    return RuleSet.model_validate(given)


@dataclass
class AlertScene:
    """Sends readings, and looks at what came of them."""

    site: AlertSite
    topic: str
    folder: Path

    def __post_init__(self) -> None:
        make_topic(self.site.kafka, self.topic, PARTITIONS)
        self._producer = Producer(self.site.kafka)

    def send(
        self, *readings: tuple[str, float, float], partition: int | None = None, base_ms: int = BASE_MS
    ) -> None:
        """(vehicle, seconds, km/h), to the vehicle's partition unless another is named."""
        for vehicle, seconds, value in readings:
            event = {
                "did": vehicle,
                "timestamp": base_ms + int(seconds * 1000),
                "name": "speed",
                "float_value": value,
            }
            self._producer.send(self.topic, vehicle.encode(), json.dumps(event).encode(), partition=partition)
        self._producer.flush()
        assert self._producer.failed == 0

    def send_raw(self, payload: bytes | None) -> None:
        """Anything."""
        self._producer.send(self.topic, b"v", payload)
        self._producer.flush()

    def committed(self) -> dict[int, int]:
        """The group's offsets."""
        found = group_offsets(self.site.kafka, SINK)
        return {key.partition: offset for key, offset in found.items()}

    def alerts(self) -> list[Document]:
        """All of them, by vehicle and time."""
        with AlertStore(self.site.mongo) as store:
            return sorted(store.alerts(), key=lambda each: (each["vehicle_id"], each["opened_us"]))

    def states(self) -> list[tuple[str, float, str]]:
        """(vehicle, seconds of opening, state) of each."""
        return [
            (each["vehicle_id"], (each["opened_us"] / 1000 - BASE_MS) / 1000, each["state"])
            for each in self.alerts()
        ]

    def outcomes(self) -> list[tuple[str, str]]:
        """(event, state) of every delivery, in the order of their making."""
        with open_client(self.site.mongo) as client:
            found = (
                client[self.site.mongo.database][DELIVERIES].find().sort([("created_us", 1), ("event", 1)])
            )
            return [(each["event"], each["state"]) for each in found]

    def redrive(self) -> int:
        """All that was given up."""
        with AlertStore(self.site.mongo) as store:
            return AlertOutbox(self.site.mongo, store.client).redrive([], 0)


def scene_of(
    kafka: KafkaSettings, mongo: MongoSettings, topic: str, folder: Path, rules: RuleSet, **alerts: Any
) -> AlertScene:
    """Nothing was sent, and nobody runs."""
    settings = AlertSettings(
        webhook_secrets={"ops": SecretStr(SECRET)},
        start="earliest",
        flush_ms=10,
        tick_seconds=0.1,
        webhook_pause_seconds=0.05,
        webhook_timeout_seconds=4.0,
        **alerts,
    )
    ingest = IngestSettings(runtime_dir=folder / "run", shutdown_seconds=5.0)
    return AlertScene(AlertSite(kafka, mongo, ingest, settings, registry_of(topic), rules), topic, folder)


def running(scene: AlertScene, site: AlertSite | None = None) -> AbstractContextManager[Stop]:
    """A process in a thread, stopped at the end of the block; its error is raised there."""
    return in_healthy_thread(lambda stop: run(site or scene.site, stop=stop), "an-alerts-process")


@contextmanager
def forked(scene: AlertScene, step: AlertStep | None = None, count: int = 1) -> Iterator[Forked]:
    """A process, until the block ends; with a step, it kills itself when that was done `count` times."""
    log = scene.folder / f"alerts-{len(list(scene.folder.glob('alerts-*.log')))}.log"
    log.touch()
    process = forks.Process(target=_work, args=(scene.site, log, step, count), daemon=True)
    process.start()
    victim = Forked(process, log)
    try:
        yield victim
    finally:
        victim.kill()


def _work(site: AlertSite, log: Path, step: AlertStep | None, count: int) -> None:
    done: Steps = untold if step is None else killing_at(step, count)
    stop = Stop()
    with log.open("w", buffering=1) as stream, stop.on_signals(), suppress(StoppedBeforeStart):
        configure_logs(stream=stream)
        run(site, stop=stop, done=done)


VEHICLES, TURNS = 8, 4
TURN = ((0, 80.0), (1, 101.0), (2, 95.0), (2.5, 140.0), (3, 90.0))
"""Seconds and km/h: it opens at 1 and is over at 3."""


def send_to_all_partitions(scene: AlertScene) -> int:
    """Readings of every vehicle, dealt out; returns how many."""
    readings = [
        (f"v{vehicle}", 10 * turn + second, speed)
        for turn in range(TURNS)
        for second, speed in TURN
        for vehicle in range(VEHICLES)
    ]
    for partition in range(PARTITIONS):
        scene.send(*readings[partition::PARTITIONS], partition=partition)
    return len(readings)


def all_judged(scene: AlertScene, count: int) -> list[tuple[str, float, str]]:
    """Once so many messages were taken, sends a reading of much later, with which none waits any more;
    returns the alerts that must come of it, when they are there."""
    eventually(lambda: sum(scene.committed().values()) == count, TAKEN_OVER_S)
    scene.send(*((f"v{vehicle}", 500, 50.0) for vehicle in range(VEHICLES)))
    turns = [(vehicle, turn) for vehicle in range(VEHICLES) for turn in range(TURNS)]
    expected = [(f"v{vehicle}", 10.0 * turn + 1, "resolved") for vehicle, turn in turns]
    eventually(lambda: scene.states() == expected)
    return expected
