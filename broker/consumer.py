"""A member of a consumer group as the sinks see it: runs of columns, rebalances as three calls, own errors.

It guarantees that a partition is read from where its listener says, that nothing of a partition is returned
after it was revoked or lost, that no failure swallows messages that were already taken, and that an exception
of a listener comes out of `poll` as itself.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import wait
from contextlib import suppress

import structlog
from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Place

from broker import errors
from broker.aside import aside
from broker.client import MISSING_TOPIC, translate
from broker.commits import Commits
from broker.coverage import Coverage, GroupAssignments
from broker.demand import FetchOnDemand
from broker.group_options import OffsetReset, group_options
from broker.health import Health
from broker.intake import Intake
from broker.leases import Leases
from broker.membership import REJOIN_PAUSE_S, Membership, RebalanceListener, Starts
from broker.metadata import GroupMetadata
from broker.outside import Outside
from broker.places import named, placed
from broker.prefetch import THROUGHPUT, Prefetch
from broker.presence import Presence
from broker.record import Records, TopicPartition
from broker.runs import split_runs
from broker.settings import KafkaSettings
from broker.settle import settled
from broker.sharing import Sharing
from broker.stored_offset import NO_LIVES, Lives, StoredOffset, stored_of

__all__ = ["GroupConsumer", "OffsetReset", "RebalanceListener"]

REQUEST_TIMEOUT_S = 10.0
"""For one question to the broker; longer than a leader change, shorter than an operator's patience."""
PROBE_PERIOD_S = 1.0
PROBE_TIMEOUT_S = 0.2
CLOSE_TIMEOUT_S = 10.0

log = structlog.get_logger()


class GroupConsumer:
    """One member of the group `<prefix>.<sink>`; cooperative, read-committed, committing only when told."""

    def __init__(
        self,
        settings: KafkaSettings,
        sink: str,
        *,
        prefetch: Prefetch = THROUGHPUT,
        offset_reset: OffsetReset = "earliest",
        instance_id: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.group = f"{settings.group_prefix}.{sink}"
        self._settings = settings
        self._instance_id = instance_id
        self._offset_reset = offset_reset
        self._monotonic = monotonic
        self._probe_at = 0.0
        self._health = Health(settings, instance_id or self.group, self._exists)
        self._membership: Membership | None = None
        self._sharing: Sharing | None = None
        self._presence: Presence | None = None
        self._coverage: Coverage | None = None
        options = group_options(settings, self.group, prefetch, offset_reset, instance_id)
        self._consumer = Consumer({**options, "error_cb": self._health.on_error})
        self._commits = Commits(self._consumer, self._health, settings)
        demand = FetchOnDemand(self._consumer, prefetch, monotonic)
        self._intake = Intake(
            self._consumer,
            self._health,
            demand if settings.fetches_on_demand else None,
            monotonic,
        )
        self._outside = Outside(self._intake.outside, self.watermarks, monotonic)

    @property
    def broker_down(self) -> bool:
        """Whether the broker was away when last heard of; polls are empty meanwhile."""
        return self._health.broker_down

    @property
    def reconnects(self) -> int:
        """How often the broker came back: it may be another life of it."""
        return self._health.reconnects

    def subscribe(self, topics: Sequence[str], listener: RebalanceListener) -> None:
        """Joins the group at the next polls."""
        folder = self._settings.lease_folder
        member = self._membership = Membership(
            self._consumer,
            self.group,
            listener,
            group_starts=self._group_starts,
            health=self._health,
            intake=self._intake,
            rejoin_pause_s=REJOIN_PAUSE_S if self._settings.incarnation_file and not folder else 0.0,
        )
        if folder is not None:
            leases = Leases(folder, self.group, self._instance_id or uuid.uuid4().hex)
            self._sharing = Sharing(
                self._consumer, leases, list(topics), member, self._health, self._monotonic
            )
            return
        if self._settings.group_protocol == "consumer":
            self._presence = Presence(topics, self._exists, self._monotonic)
        elif self._instance_id is not None:
            assignments = GroupAssignments(self._settings, self.group, topics)
            self._coverage = Coverage(
                assignments.unassigned, lambda: self._join_anew(topics, member), self._monotonic
            )
        self._join(topics, member)

    def poll(self, max_records: int, timeout_s: float) -> list[Records]:
        """Up to `max_records` messages as runs per partition; empty when none came in time or the broker is
        away (`broker_down`). Rebalance calls happen inside. Raises OffsetOutOfRange for a partition whose
        next offset the log does not have, at every call until `seek`.
        """
        self._commits.raise_unanswered()
        self._health.raise_kept()
        self._outside.raise_owned(self._owned)
        if self._membership is not None:
            self._membership.place()
        if self._sharing is not None:
            self._sharing.look()
        if self._presence is not None and not self.broker_down:
            self._presence.look()
        if self._coverage is not None and not self.broker_down:
            self._coverage.look()
        try:
            with self._commits.polling():
                messages = self._intake.take(max_records, timeout_s)
        except KafkaException as error:
            raise self._translated(error, "polling") from error
        if messages:
            self._health.seen()
            runs = split_runs(messages, self._position)
            return [run for run in runs if run.topic_partition in self._owned]
        self._health.raise_kept()
        self._outside.raise_owned(self._owned)
        self._probe()
        return []

    def assignment(self) -> list[TopicPartition]:
        """The partitions owned now."""
        return list(self._owned)

    def positions(self) -> dict[TopicPartition, int]:
        """The next offset to be returned of each owned partition; aborted and control records that were
        passed over count."""
        self._commits.raise_unanswered()
        known = {
            named(place): place.offset
            for place in self._consumer.position(placed(self._owned))
            if place.offset >= 0
        }
        return {**self._owned, **known}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """The next poll goes on at `offset`; what was fetched ahead is dropped."""
        try:
            self._intake.move(partition, offset)
        except KafkaException as error:
            raise self._translated(error, f"seeking {partition} to {offset}") from error
        self._owned[partition] = offset

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Nothing more of them is returned until `resume`; what was fetched ahead is thrown away."""
        self._intake.pause(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Takes `pause` back. It may be a second until the first record comes."""
        self._intake.resume(partitions)

    def committed(
        self, partitions: Iterable[TopicPartition], timeout_s: float = REQUEST_TIMEOUT_S
    ) -> dict[TopicPartition, int | None]:
        """The group's offsets; waits for pending transactions that commit some. None where there is none."""
        found = self.stored(partitions, timeout_s)
        return {name: None if stored is None else stored.offset for name, stored in found.items()}

    def stored(
        self, partitions: Iterable[TopicPartition], timeout_s: float = REQUEST_TIMEOUT_S
    ) -> dict[TopicPartition, StoredOffset | None]:
        """As `committed`, with the lives of the topics that the offsets belong to."""
        self._commits.raise_unanswered()
        try:
            places = self._consumer.committed(placed(partitions), timeout_s)
        except KafkaException as error:
            raise self._translated(error, "reading committed offsets") from error
        for place in places:
            if place.error is not None:
                raise translate(place.error, self._settings, "reading committed offsets", self.group)
        return {named(place): stored_of(place) for place in places}

    def commit(self, offsets: Mapping[TopicPartition, int], lives: Lives = NO_LIVES) -> None:
        """Stores the group's offsets, and returns when the broker has them; BrokerUnavailable where it has
        not answered in time. Then they may still be stored."""
        self._commits.commit(offsets, lives)

    def watermarks(self, partition: TopicPartition, timeout_s: float = REQUEST_TIMEOUT_S) -> tuple[int, int]:
        """Log start and log end, asked from the broker; the end is the last stable offset."""
        self._commits.raise_unanswered()
        try:
            place = Place(*partition)
            return settled(lambda: self._consumer.get_watermark_offsets(place, timeout_s), timeout_s)
        except KafkaException as error:
            doing = f"reading the log's ends of {partition}"
            raise translate(error.args[0], self._settings, doing, partition.topic) from error

    def lag(self) -> dict[TopicPartition, int]:
        """Records behind the log's end as last fetched, per owned partition; no request is made. A partition
        that was not fetched yet is left out."""
        lag = {}
        for name, position in self.positions().items():
            _, high = self._consumer.get_watermark_offsets(Place(*name), cached=True)
            if high >= 0:
                lag[name] = max(0, high - position)
        return lag

    def group_metadata(self) -> GroupMetadata:
        """Who we are in the group now, for `TransactionalProducer.send_offsets`."""
        return GroupMetadata(self._consumer.consumer_group_metadata())

    def close(self) -> None:
        """Leaves the group after `on_revoked`; a static member of a Kafka group stays in it until its session
        ends.

        All is given up before the client closes. It may not come back from that: a rebalance in the same
        moment leaves it waiting for its own thread, seen with librdkafka 2.16. A client that still waits for
        the answer to a commit is left to the end of the process, and its membership to that of its session.
        """
        if self._commits.is_unanswered:
            log.warning("kafka.close_abandoned", group=self.group, reason="a commit was never answered")
            return
        if self._membership is not None:
            self._membership.leave()
        if self._sharing is not None:
            self._sharing.leave()
        closing = aside(self._consumer.close, "kafka-close")
        if wait([closing], CLOSE_TIMEOUT_S).not_done:
            log.warning("kafka.close_abandoned", group=self.group, after_s=CLOSE_TIMEOUT_S)
        else:
            closing.result()
        with suppress(errors.AuthenticationFailed):  # nobody is kept from leaving by what `poll` reports
            self._health.raise_kept()

    def _join(self, topics: Sequence[str], member: Membership) -> None:
        self._consumer.subscribe(
            list(topics), on_assign=member.on_assign, on_revoke=member.on_revoke, on_lost=member.on_lost
        )

    def _join_anew(self, topics: Sequence[str], member: Membership) -> None:
        """Gives all up, within the next polls, and is assigned what there is now."""
        self._consumer.unsubscribe()
        self._join(topics, member)

    @property
    def _owned(self) -> Starts:
        return self._membership.owned if self._membership is not None else {}

    def _group_starts(self, names: list[TopicPartition]) -> Starts:
        """Where the group stands, else where `offset_reset` says."""
        if not names:
            return {}
        return {
            name: self._first_start(name) if offset is None else offset
            for name, offset in self.committed(names).items()
        }

    def _first_start(self, name: TopicPartition) -> int:
        low, high = self.watermarks(name)
        if self._offset_reset == "error":
            raise errors.OffsetOutOfRange(*name, None, low, high)
        return low if self._offset_reset == "earliest" else high

    def _exists(self, topic: str) -> bool:
        """False only if the broker says so now."""
        try:
            found = self._consumer.list_topics(topic, REQUEST_TIMEOUT_S).topics[topic]
        except KafkaException:
            return True
        return found.error is None or found.error.code() not in MISSING_TOPIC

    def _position(self, name: TopicPartition) -> int:
        return self._consumer.position([Place(*name)])[0].offset

    def _probe(self) -> None:
        """Notices on a quiet topic that the broker is back."""
        if not self.broker_down or not self._owned or self._monotonic() < self._probe_at:
            return
        self._probe_at = self._monotonic() + PROBE_PERIOD_S
        try:
            self.watermarks(next(iter(self._owned)), PROBE_TIMEOUT_S)
        except errors.BrokerError:  # a broker that is just starting knows no topics yet
            return
        self._health.seen()

    def _translated(self, error: KafkaException, doing: str) -> errors.BrokerError:
        return translate(error.args[0], self._settings, doing, self.group)
