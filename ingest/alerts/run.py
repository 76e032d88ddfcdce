"""An alerts process from start to stop: waits for its surroundings, runs the sink's loop and the couriers,
ends cleanly."""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import SystemRandom

from broker.admin import Admin
from broker.consumer import GroupConsumer
from broker.identity import TopicIdentities
from broker.prefetch import LATENCY
from broker.ready import wait_topics
from broker.settings import KafkaSettings
from contracts.access import Vehicles
from contracts.load import Registry
from ingest.alerts.errors import SecretMissing
from ingest.alerts.facts import FactFinder
from ingest.alerts.keeper import Keeper
from ingest.alerts.metrics import SINK, AlertMetrics
from ingest.alerts.places import AlertPlaces
from ingest.alerts.rules import RuleSet
from ingest.alerts.settings import AlertSettings
from ingest.alerts.sink import AlertSink
from ingest.alerts.webhooks import Courier, Couriers
from ingest.decoding import RunDecoder
from ingest.process import Log, Stop, Ticker, logger, serving_metrics
from ingest.settings import IngestSettings
from ingest.slots import lease
from ingest.steps import Steps
from ingest.topic_lives import TopicLives
from lake.alert_outbox import AlertOutbox
from lake.alert_store import AlertStore
from lake.errors import Transient
from lake.mongo import wait_ready
from lake.settings import MongoSettings

IDENTITY_SECONDS = 10.0
TIDY_SECONDS = 60.0
HOUR_US = 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class AlertSite:
    """What an alerts process runs with."""

    kafka: KafkaSettings
    mongo: MongoSettings
    ingest: IngestSettings
    alerts: AlertSettings
    registry: Registry
    rules: RuleSet
    fleets: Mapping[str, str | None] = field(default_factory=dict)
    """Of each registered vehicle."""

    def require_secrets(self) -> None:
        """What anybody may have posted is worth nothing to who gets it. Alertmanager checks no signature."""
        signed = [name for name, webhook in self.rules.webhooks.items() if webhook.format == "fleetlake"]
        unsigned = [name for name in signed if name not in self.alerts.webhook_secrets]
        if unsigned:
            raise SecretMissing(unsigned)

    def digest(self) -> str:
        """Of everything that decides what time makes of a vehicle."""
        fleets = sorted(self.fleets.items()) if any(rule.fleets for rule in self.rules.rules) else []
        return hashlib.sha256(f"{self.rules.model_dump_json()}\n{fleets}".encode()).hexdigest()[:16]


def wall_us() -> int:
    """Now, in microseconds since the epoch."""
    return time.time_ns() // 1000


def run(
    site: AlertSite,
    *,
    stop: Stop,
    metrics: AlertMetrics | None = None,
    now_us: Callable[[], int] = wall_us,
    done: Steps = lambda step: None,
) -> None:
    """Judges and tells until `stop` is requested.

    `done` is told each step: tests end the process there. Raises the errors of `ingest.errors`,
    `broker.errors` and `lake.errors`; no alert is lost or doubled by any of them.
    """
    site.require_secrets()
    wait_topics(site.kafka, site.registry.topics(), sleep=stop.sleep)
    wait_ready(site.mongo, sleep=stop.sleep)
    with AlertStore(site.mongo) as store:
        AlertProcess(site, store, stop, metrics or AlertMetrics(), now_us, done).run()


@dataclass
class AlertProcess:
    """What one process puts together."""

    site: AlertSite
    store: AlertStore
    stop: Stop
    metrics: AlertMetrics
    now_us: Callable[[], int]
    done: Steps
    log: Log = field(default_factory=lambda: logger(SINK))

    def __post_init__(self) -> None:
        self.outbox = AlertOutbox(self.site.mongo, self.store.client)
        self._tidy_due = Ticker(TIDY_SECONDS)

    def run(self) -> None:
        """Until it is told to stop."""
        site = self.site
        self.store.ensure_indexes()
        self.outbox.ensure_indexes()
        if self.store.begin_with(site.digest()):
            self.log.info("rules_changed", rules=[rule.name for rule in site.rules.rules])
        with lease(site.ingest, f"{site.kafka.group_prefix}.{SINK}", pause=self.stop.wait) as slot:
            consumer = GroupConsumer(
                site.kafka, SINK, prefetch=LATENCY, offset_reset="error", instance_id=slot.name
            )
            sink = self._sink(consumer)
            try:
                with serving_metrics(self.metrics, site.ingest) as port, self._couriers():
                    self.log.info("started", name=slot.name, rules=len(site.rules.rules), metrics_port=port)
                    consumer.subscribe(site.registry.topics(), sink)
                    self._loop(sink)
                    sink.finish()
            finally:
                sink.end()
                consumer.close()
        self.log.info("stopped")

    def _loop(self, sink: AlertSink) -> None:
        while not self.stop.requested:
            sink.step()
            if self._tidy_due.due():
                self._tidy()

    def _tidy(self) -> None:
        """Removes what nobody needs any more. Where the store is away that is done the next time."""
        settings, now_us = self.site.alerts, self.now_us()
        old_us = now_us - settings.keep_days * 24 * HOUR_US
        late_us = now_us - int(settings.webhook_hours * HOUR_US)
        try:
            self.store.forget_resolved(old_us)
            self.outbox.forget(old_us)
            self.outbox.give_up_others(self.site.rules.webhooks, late_us, now_us)
            self.metrics.given_up(self.outbox.count("given_up"))
        except Transient as error:
            self.log.warning("store_away", reason=str(error))

    def _sink(self, consumer: GroupConsumer) -> AlertSink:
        site, topics = self.site, self.site.registry.topics()
        is_embedded = site.kafka.incarnation_file is not None
        return AlertSink(
            consumer,
            AlertPlaces(
                consumer,
                TopicLives(TopicIdentities(site.kafka), topics, 0.0 if is_embedded else IDENTITY_SECONDS),
                site.alerts.start,
                self.log,
            ),
            RunDecoder(site.registry, self.metrics),
            FactFinder(site.registry, site.rules),
            Keeper(
                site.rules,
                Vehicles(site.fleets),
                self.store,
                self.outbox,
                self.metrics,
                self.now_us,
                self.done,
            ),
            self.store,
            lambda: Admin(site.kafka).partitions(topics),
            site.alerts,
            site.ingest,
            self.metrics,
            self.log,
            self.now_us,
            pause=self.stop.wait,
            done=self.done,
        )

    def _couriers(self) -> Couriers:
        ended = threading.Event()
        secrets = self.site.alerts.webhook_secrets
        couriers = [
            Courier(
                name,
                webhook,
                secrets.get(name),
                self.outbox,
                self.store,
                self.site.alerts,
                self.metrics,
                self.log,
                self.now_us,
                ended,
                SystemRandom(),
                self.done,
            )
            for name, webhook in self.site.rules.webhooks.items()
        ]
        return Couriers(couriers, ended)
