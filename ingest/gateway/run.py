"""Puts a gateway together, and takes it apart in an order that leaves no request without an answer."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from broker.polled import PolledProducer
from broker.settings import KafkaSettings
from contracts.registry import Registry
from ingest.gateway.bodies import Bodies
from ingest.gateway.claiming import Claiming
from ingest.gateway.gateway import Gateway
from ingest.gateway.grouping import Grouping
from ingest.gateway.groups import Groups
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.sending import Sending
from ingest.gateway.settings import GatewaySettings
from ingest.gateway.settle import Settling
from ingest.gateway.validate import Validator
from ingest.gateway.writer import Writer
from ingest.process import logger
from ingest.settings import IngestSettings
from ingest.slots import lease, leases_id
from ingest.steps import Step, Steps
from lake.idempotency import Claims
from lake.settings import MongoSettings

NAME = "gateway"
MONGO_SECONDS = 5.0
"""A MongoDB that takes longer is away: requests wait for it."""


def untold(step: Step) -> None:
    """As in production."""


@contextmanager
def opened(
    kafka: KafkaSettings,
    mongo: MongoSettings,
    ingest: IngestSettings,
    settings: GatewaySettings,
    registry: Registry,
    metrics: GatewayMetrics,
    *,
    clock: Callable[[], float] = time.time,
    done: Steps = untold,
) -> Iterator[Gateway]:
    """A gateway, for as long as the block runs. Neither Kafka nor MongoDB need be there: requests say so.

    `done` is told each step of requests with a key: tests end the process there.
    """
    log, group = logger(NAME), f"{kafka.group_prefix}.{NAME}"
    database = mongo.model_copy(update={"timeout_s": min(mongo.timeout_s, MONGO_SECONDS)})
    claims = Claims(database)
    try:
        with lease(ingest, group) as slot:
            is_named = ingest.slot is not None
            seconds = settings.acknowledge_seconds
            writer = Writer(kafka, slot, leases_id(ingest), seconds, is_named=is_named)
            settling = Settling(kafka, writer, done)
            claiming = Claiming(
                group, ingest, settings, registry, claims, writer, settling, metrics, log, clock, done
            )
            groups = Groups(claiming, claims, writer, metrics, log, done)
            with (
                PolledProducer(kafka, give_up_s=seconds) as producer,
                Grouping(groups, claiming.settle_all, settings, log) as grouping,
                Bodies(settings, partial(Validator, registry, clock, metrics.rejected)) as bodies,
            ):
                sending = Sending(producer, settings, metrics)
                yield Gateway(settings, bodies, sending, grouping, metrics)
    finally:
        claims.close()
