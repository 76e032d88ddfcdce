"""The client options of a group member: each of them carries a part of the promise that `consumer` makes."""

from typing import Literal

from broker.client import Options, client_options
from broker.prefetch import Prefetch
from broker.settings import KafkaSettings

REFRESH_MS = 10_000
"""Partitions added to a topic are seen after this; the client's own five minutes are long to be late."""

OffsetReset = Literal["earliest", "latest", "error"]


def group_options(
    settings: KafkaSettings,
    group: str,
    prefetch: Prefetch,
    offset_reset: OffsetReset,
    instance_id: str | None,
) -> Options:
    """Reads what is committed, in an order of our own, and commits only when told."""
    ours: Options = {
        "group.id": group,
        "group.protocol": settings.group_protocol,
        "auto.offset.reset": offset_reset,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": settings.fetches_on_demand,
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        "max.poll.interval.ms": settings.max_poll_interval_ms,
        "topic.metadata.refresh.interval.ms": REFRESH_MS,
        **prefetch.options(),
    }
    if settings.group_protocol == "classic":
        ours |= _classic(settings, instance_id)
    return client_options(settings, ours)


def _classic(settings: KafkaSettings, instance_id: str | None) -> Options:
    """What the broker decides with KIP-848.

    Nor are there static members then: until the session of a killed one has ended its successor would be
    refused, which the client takes for final.
    """
    options: Options = {
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": settings.session_timeout_ms,
    }
    if instance_id is not None and settings.lease_folder is None:
        options["group.instance.id"] = instance_id
    return options
