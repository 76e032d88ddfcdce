"""Every way Kafka can fail, as types: callers see these and never an exception of the client library.

BrokerError
├── Transient                 trying again is right
│   ├── BrokerUnavailable     no answer from the cluster in time
│   ├── NotReady              broker or topics did not appear before a deadline
│   ├── GroupRebalanced       a commit was refused because the group moved on
│   └── TransactionUnfinished the outcome of a transaction is not known yet: call the same step again
├── Abortable                 this transaction must be aborted; the next may succeed
└── Terminal                  a person, or a new process, is needed
    ├── AuthenticationFailed, AuthorizationFailed
    ├── TopicMissing, TopicRefused, IdentityUnknown
    ├── OffsetOutOfRange
    ├── MessageTooLarge
    ├── ReservedOption
    ├── Fenced                another process took this one's place
    ├── GroupActive           offsets of a group with members are its members' business
    └── ClientFailed          anything else the client library calls final
"""

from collections.abc import Sequence
from pathlib import Path


class BrokerError(Exception):
    """Any failure of Kafka."""


class Transient(BrokerError):
    """Trying again is right."""


class Terminal(BrokerError):
    """Trying again does not help."""


class BrokerUnavailable(Transient):
    """The cluster did not answer in time.

    Operator action: start the broker, or correct FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS; sinks wait for it.
    """

    def __init__(self, address: str, doing: str, detail: str) -> None:
        self.address, self.doing, self.detail = address, doing, detail
        super().__init__(f"Kafka at {address} did not answer while {doing}: {detail}")


class NotReady(Transient):
    """The broker or some topics were not there before the deadline.

    Operator action: start the broker or correct FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS; for missing topics run
    `fleetlake topics create`.
    """

    def __init__(self, address: str, waited_s: float, missing: Sequence[str], detail: str) -> None:
        self.address, self.waited_s, self.missing, self.detail = address, waited_s, tuple(missing), detail
        if missing:
            problem = f"has no topic {', '.join(missing)}; run `fleetlake topics create`"
        else:
            problem = f"is not reachable ({detail}); start it, or correct FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS"
        super().__init__(f"after {waited_s:.0f} s Kafka at {address} {problem}")


class GroupRebalanced(Transient):
    """Offsets were not committed: the group gave the partitions to someone else or is about to."""

    def __init__(self, group: str, detail: str) -> None:
        self.group, self.detail = group, detail
        super().__init__(f"group {group} moved on before offsets were committed: {detail}")


class TransactionUnfinished(Transient):
    """A transaction step got no answer in time; its outcome is unknown, so only the same step may follow."""

    def __init__(self, transactional_id: str, step: str, detail: str) -> None:
        self.transactional_id, self.step, self.detail = transactional_id, step, detail
        super().__init__(f"transaction of {transactional_id}: {step} is not finished: {detail}")


class Abortable(BrokerError):
    """The transaction failed and must be aborted; a new one may succeed."""

    def __init__(self, transactional_id: str, step: str, detail: str) -> None:
        self.transactional_id, self.step, self.detail = transactional_id, step, detail
        super().__init__(f"transaction of {transactional_id} must be aborted: {step} failed: {detail}")


class AuthenticationFailed(Terminal):
    """The cluster does not accept who we say we are, or the TLS handshake failed.

    Operator action: check FLEETLAKE_KAFKA__SECURITY_PROTOCOL, the SASL user and password, the certificates.
    """

    def __init__(self, address: str, detail: str) -> None:
        self.address, self.detail = address, detail
        super().__init__(
            f"Kafka at {address} refused the login: {detail}; "
            "check FLEETLAKE_KAFKA__SECURITY_PROTOCOL, SASL_USERNAME, SASL_PASSWORD and certificates"
        )


class AuthorizationFailed(Terminal):
    """The user may not do this.

    Operator action: grant the user the right that the message names.
    """

    def __init__(self, address: str, resource: str, detail: str) -> None:
        self.address, self.resource, self.detail = address, resource, detail
        super().__init__(f"Kafka at {address} does not allow this user to use {resource}: {detail}")


class TopicMissing(Terminal):
    """Subscribed topics do not exist.

    Operator action: `fleetlake topics create`, or correct the contract's topic names.
    """

    def __init__(self, topics: Sequence[str]) -> None:
        self.topics = tuple(topics)
        super().__init__(f"no topic {', '.join(topics)} in Kafka; run `fleetlake topics create`")


class TopicRefused(Terminal):
    """The broker does not create a topic as it was asked for.

    Operator action: correct the contract's topic settings, FLEETLAKE_KAFKA__PARTITIONS, RETENTION_MS or
    REPLICATION_FACTOR.
    """

    def __init__(self, topic: str, detail: str) -> None:
        self.topic, self.detail = topic, detail
        super().__init__(f"Kafka refuses to create topic {topic}: {detail}")


class IdentityUnknown(Terminal):
    """The broker reports no topic ids, and no incarnation stands in for them.

    Operator action: use Kafka 2.8 or newer, or set FLEETLAKE_KAFKA__INCARNATION_FILE to a file that holds an
    id of the broker's present life; `fleetlake up` does so for the embedded broker.
    """

    def __init__(self, topics: Sequence[str], incarnation_file: Path | None) -> None:
        self.topics, self.incarnation_file = tuple(topics), incarnation_file
        reason = (
            f"{incarnation_file} is missing or empty; start the stack with `fleetlake up`"
            if incarnation_file
            else "the broker reports no topic ids; set FLEETLAKE_KAFKA__INCARNATION_FILE"
        )
        super().__init__(f"cannot tell which life of {', '.join(topics)} this is: {reason}")


class OffsetOutOfRange(Terminal):
    """The offset to read from is not in the log. `wanted` is None where the group has no offset at all.

    Operator action: the records in between are gone (retention) or the log was set back. Decide where to
    begin and set it; `fleetlake audit` names what is missing.
    """

    def __init__(self, topic: str, partition: int, wanted: int | None, low: int, high: int) -> None:
        self.topic, self.partition, self.wanted, self.low, self.high = topic, partition, wanted, low, high
        begin = "no offset is stored" if wanted is None else f"offset {wanted} is not in the log"
        super().__init__(f"{topic}/{partition}: {begin}, Kafka has {low} to {high}")


class MessageTooLarge(Terminal):
    """One message is larger than the client or the broker takes."""

    def __init__(self, topic: str, size: int, detail: str) -> None:
        self.topic, self.size, self.detail = topic, size, detail
        super().__init__(f"a message of {size} bytes is too large for {topic}: {detail}")


class ReservedOption(Terminal):
    """A passed-through client option would break a promise of Fleetlake.

    Operator action: remove it from FLEETLAKE_KAFKA__CLIENT.
    """

    def __init__(self, options: Sequence[str]) -> None:
        self.options = tuple(options)
        super().__init__(f"FLEETLAKE_KAFKA__CLIENT must not set {', '.join(options)}: Fleetlake relies on it")


class Fenced(Terminal):
    """Another process with the same transactional id or group instance id took over.

    Operator action: none after a planned restart; otherwise give every process a slot of its own.
    """

    def __init__(self, name: str, detail: str) -> None:
        self.name, self.detail = name, detail
        super().__init__(f"{name} was taken over by another process: {detail}")


class GroupActive(Terminal):
    """Offsets of a group were to be set from outside, and it has members.

    Operator action: stop its processes; one that has just ended counts as a member until its session is over
    (FLEETLAKE_KAFKA__SESSION_TIMEOUT_MS). Then the same command again.
    """

    def __init__(self, group: str, detail: str) -> None:
        self.group, self.detail = group, detail
        super().__init__(
            f"group {group} has members ({detail}): stop them, and try again when their session is over"
        )


class ClientFailed(Terminal):
    """An error that the client library calls final and that has no type of its own here."""

    def __init__(self, doing: str, code: str, detail: str) -> None:
        self.doing, self.code, self.detail = doing, code, detail
        super().__init__(f"Kafka client failed while {doing}: {code}: {detail}")
