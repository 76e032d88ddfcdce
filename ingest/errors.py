"""What stops a sink. Bad messages never do: they are values, not errors.

SinkError
├── Recoverable               a restart goes on by itself
│   ├── TopicRecreated        the topic is another one now than when this process began
│   ├── CannotLand            rows cannot be written, and it is not the store that refuses them
│   └── Shutdown              a stop could not finish its work in time; it is done again after the restart
└── OperatorNeeded            restarting does not help; the message says what does
    ├── CheckpointOutsideLog  Kafka no longer, or not yet, has the next message the history wants
    ├── LogWentBack           the same, and Kafka's log may have grown past it since
    ├── CheckpointMissing     bronze has rows of a partition but no checkpoint for it
    ├── OffsetBehindLog       Kafka's log ends before what routes has committed
    └── OffsetWentBack        Kafka returned messages before the one that was asked for
"""

from collections.abc import Mapping

from broker.record import TopicPartition

EXIT_FAILED = 1
EXIT_OPERATOR_NEEDED = 3
"""Exit code of a process that nobody should restart in a hurry."""


class SinkError(Exception):
    """Base of every error that ends a sink."""


class Recoverable(SinkError):
    """A restart goes on by itself."""


class OperatorNeeded(SinkError):
    """Restarting does not help."""


class TopicRecreated(Recoverable):
    """A topic was deleted and made again, or its broker's log may have gone back.

    It ends the process because a Kafka client that has seen the former topic may never read of the new one:
    it takes no leader whose epoch is lower than the one that it knows (librdkafka 2.16, its issue 4898), and
    the epochs of a new topic begin at 0.

    Operator action: none needed if that was intended. The restarted sink goes on with the new log; messages
    of the old one that were not landed are gone, and `fleetlake audit` tells the last offset landed.
    """

    def __init__(self, topic: str, before: str, now: str) -> None:
        self.topic, self.before, self.now = topic, before, now
        super().__init__(
            f"topic {topic} is another one now (identity {now}, was {before}): "
            "a restart reads the new log from its start"
        )


class CannotLand(Recoverable):
    """Something between reading and landing failed that nobody foresaw: a defect of Fleetlake.

    Operator action: report it with the log of history. Nothing is lost while Kafka's retention lasts; state
    and routes go on.
    """

    def __init__(self, checkpoints: Mapping[TopicPartition, int | None], cause: BaseException | None) -> None:
        self.checkpoints, self.cause = dict(checkpoints), cause
        places = ", ".join(f"{partition} from {offset or 0}" for partition, offset in checkpoints.items())
        super().__init__(
            f"what comes next cannot be landed ({type(cause).__name__}: {cause}): {places}; this is a "
            "defect: report it; Kafka keeps the messages until its retention is over"
        )


class Shutdown(Recoverable):
    """A stop ran out of time before its last commit."""

    def __init__(self, sink: str, seconds: float) -> None:
        self.sink, self.seconds = sink, seconds
        super().__init__(
            f"{sink} could not finish within {seconds:g} s; what is left is done after a restart"
        )


class CheckpointOutsideLog(OperatorNeeded):
    """The next message that history wants is not in Kafka's log.

    Operator action: if retention removed it (`wanted` is below `low`), it is lost; accept that with
    `fleetlake checkpoint skip TOPIC PARTITION`, which goes on at the log's start and records the gap for the
    audit. If the log went back (`wanted` is above `high`): on the embedded broker `fleetlake checkpoint renew
    TOPIC` begins anew with it; on Kafka restore the broker's data, or delete the topic and run `fleetlake
    topics create`.
    """

    def __init__(self, partition: TopicPartition, wanted: int, low: int, high: int) -> None:
        self.partition, self.wanted, self.low, self.high = partition, wanted, low, high
        super().__init__(
            f"{partition}: history wants offset {wanted}, but Kafka's log is [{low}, {high}){self._cure}"
        )

    @property
    def _cure(self) -> str:
        topic, number = self.partition
        if self.wanted < self.low:
            gone = f"; offsets {self.wanted} to {self.low - 1} are gone"
            return f"{gone}; `fleetlake checkpoint skip {topic} {number}` goes on without them"
        return (
            f": the log went back. If {topic} was made anew on the embedded broker, `fleetlake checkpoint "
            f"renew {topic}` begins with it; on Kafka restore the broker's data, or delete the topic and run "
            "`fleetlake topics create`"
        )


class LogWentBack(OperatorNeeded):
    """Kafka's log of a partition did not reach what history had landed, and may have grown past it since.

    Operator action: restore the broker's data, then `fleetlake checkpoint resume TOPIC PARTITION`, which
    compares the last row with Kafka; or delete the topic and run `fleetlake topics create`.
    """

    def __init__(self, partition: TopicPartition, wanted: int, low: int, high: int) -> None:
        self.partition, self.wanted, self.low, self.high = partition, wanted, low, high
        topic, number = partition
        super().__init__(
            f"{partition}: history wants offset {wanted}, and Kafka's log, now [{low}, {high}), did not "
            "reach it when it was looked at before: other messages may stand at offsets that were landed. "
            f"Restore the broker's data, then `fleetlake checkpoint resume {topic} {number}`; or delete the "
            "topic and run `fleetlake topics create`"
        )


class CheckpointMissing(OperatorNeeded):
    """Bronze has rows of a partition, but its checkpoint is gone: starting anew would double them.

    Operator action: find out what removed the table's transactions (a table copied without its log, or
    `delta.setTransactionRetentionDuration`), then `fleetlake checkpoint restore TOPIC PARTITION`, which sets
    it behind the last row landed.
    """

    def __init__(self, partition: TopicPartition, topic_id: str) -> None:
        self.partition, self.topic_id = partition, topic_id
        super().__init__(
            f"{partition}: bronze has rows of it (identity {topic_id}) but no checkpoint; `fleetlake "
            f"checkpoint restore {partition.topic} {partition.partition}` sets it behind the last row"
        )


class OffsetBehindLog(OperatorNeeded):
    """Kafka's log ends before the offset that the group has committed: its data was rolled back, or the topic
    was made anew and the group's offsets were not.

    Operator action: restore the broker's data; or, if the topic was made anew on the embedded broker,
    `fleetlake checkpoint renew TOPIC`. Otherwise decide where to go on, because what was appended since
    cannot be told from what was routed before: `fleetlake checkpoint reroute TOPIC PARTITION` goes on at the
    log's end and routes nothing twice, with `--from-start` nothing is left out.
    """

    def __init__(self, partition: TopicPartition, group: str, committed: int, high: int) -> None:
        self.partition, self.group, self.committed, self.high = partition, group, committed, high
        super().__init__(
            f"{partition}: {group} has committed offset {committed}, but Kafka's log ends at {high}: it went "
            f"back. If it is another topic now on the embedded broker, `fleetlake checkpoint renew "
            f"{partition.topic}`; otherwise restore the broker's data, or go on at the log's end with "
            f"`fleetlake checkpoint reroute {partition.topic} {partition.partition}`"
        )


class OffsetWentBack(OperatorNeeded):
    """A batch began before the offset that was asked for.

    Operator action: the broker's log was changed underneath. `fleetlake audit --full` tells which rows differ
    from it; what to do then is what CheckpointOutsideLog says of a log that went back.
    """

    def __init__(self, partition: TopicPartition, expected: int, got: int) -> None:
        self.partition, self.expected, self.got = partition, expected, got
        super().__init__(f"{partition}: expected offset {expected} or later, Kafka returned {got}")
