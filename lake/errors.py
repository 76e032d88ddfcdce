"""What can go wrong at a store, told apart by what to do next: `Transient` may be retried, `Terminal` not.

LakeError
├── Transient                the same call may succeed later
│   ├── StoreUnavailable     the lake's folder or bucket, or MongoDB, does not answer
│   ├── StoreFull            the disk that the lake's folder is on has no room
│   └── StateNotWritten      MongoDB took part of a write; writing all of it again is harmless
└── Terminal                 somebody must change something first
    ├── AccessDenied         the credential is missing or not allowed
    ├── ConditionalPutUnknown  the lake's store overwrites what it was told to keep
    ├── BadAddress           a store's address makes no sense
    ├── BadLocation          the lake's address makes no sense
    ├── StateRefused         MongoDB will never take this write
    ├── StateUnreadable      a document of the state was changed by somebody else
    ├── TableMissing         a table that should exist does not
    ├── RewriteDiffers       a table that was to be written anew would not have the same rows
    ├── TableWentBack         a table's log ends before the version that this process has seen
    ├── QueryRefused         not a single reading statement
    └── QueryFailed          DuckDB's answer to a query that cannot be run
        └── FileGone         a file of the table was removed while it was read
"""

import re

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
BACKTRACE = re.compile(r"\s+(stack backtrace:|0: (<unknown>|\S+::)).*", re.DOTALL | re.IGNORECASE)


class LakeError(Exception):
    """Base of every error of a store."""


class Transient(LakeError):
    """The same call may succeed later, unchanged."""


class Terminal(LakeError):
    """Retrying does not help."""


class StoreUnavailable(Transient):
    """A store did not answer, or not in time.

    Operator action: start it or correct its address; what waits for it goes on by itself.
    """

    def __init__(self, store: str, address: str, problem: str) -> None:
        self.store, self.address, self.problem = store, address, problem
        super().__init__(f"{store} at {address} is not available: {problem}")


class StoreFull(Transient):
    """The disk that a local lake is on has no room. Nothing is there by half; Kafka still has the rest.

    Operator action: make room on the disk of `folder`, or give it a larger one; history goes on by itself.
    """

    def __init__(self, folder: str, free_bytes: int) -> None:
        self.folder, self.free_bytes = folder, free_bytes
        super().__init__(
            f"the lake's store at {folder} is full ({free_bytes:,} bytes are free): make room on its disk "
            "and history goes on by itself; nothing is lost as long as Kafka keeps the messages"
        )


class StateNotWritten(Transient):
    """MongoDB took only part of a bulk write."""

    def __init__(self, collection: str, operations: int, problem: str) -> None:
        self.collection, self.operations, self.problem = collection, operations, problem
        super().__init__(f"{collection}: not all of {operations} operations were written: {problem}")


class StateUnreadable(Terminal):
    """A document of the state is not one that Fleetlake wrote.

    Operator action: find out who changed it; `fleetlake state rebuild` makes the state anew.
    """

    def __init__(self, vehicle: object, problem: str) -> None:
        self.vehicle, self.problem = vehicle, problem
        super().__init__(
            f"the state of vehicle {vehicle!r} cannot be read: {problem}; "
            "`fleetlake state rebuild` makes it anew"
        )


class AccessDenied(Terminal):
    """A store refuses the credential.

    Operator action: correct the credential, or what it is allowed to do at the store.
    """

    def __init__(self, store: str, address: str, problem: str) -> None:
        self.store, self.address, self.problem = store, address, problem
        super().__init__(f"{store} at {address} refuses access: {problem}")


class ConditionalPutUnknown(Terminal):
    """The lake's store does not know `If-None-Match` on PUT: two writers would make one version of a table,
    and the rows of one of them would be gone.

    Operator action: move the lake to a store that knows it (AWS S3, MinIO), or update the store.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(
            f"the lake's store at {address} does not know conditional puts (If-None-Match): two writers "
            "would overwrite each other's commits and lose rows. AWS S3 and MinIO know them; update the "
            "store or move the lake"
        )


class BadAddress(Terminal):
    """A store's address cannot be read.

    Operator action: correct the address in the settings.
    """

    def __init__(self, store: str, problem: str) -> None:
        self.store, self.problem = store, problem
        super().__init__(f"the address of {store} cannot be used: {problem}")


class BadLocation(Terminal):
    """The lake's address cannot be used.

    Operator action: set FLEETLAKE_LAKE__URI to a folder or to s3://bucket/prefix.
    """

    def __init__(self, uri: str, problem: str) -> None:
        self.uri, self.problem = uri, problem
        super().__init__(f"the lake cannot live at {uri!r}: {problem}")


class StateRefused(Terminal):
    """MongoDB refuses a write for what it is; sending it again changes nothing.

    Operator action: read the server's reason; `vehicles` are those refused, all others were written.
    """

    def __init__(self, collection: str, vehicles: tuple[str, ...], code: int | None, problem: str) -> None:
        self.collection, self.vehicles, self.code, self.problem = collection, vehicles, code, problem
        named = "" if not vehicles else f" of {len(vehicles)} vehicles ({vehicles[0]!r} first)"
        super().__init__(f"{collection}: the state{named} was refused (code {code}): {problem}")


class TableMissing(Terminal):
    """A table is not there.

    Operator action: run the step that writes it first, or correct FLEETLAKE_LAKE__URI.
    """

    def __init__(self, table: str, uri: str) -> None:
        self.table, self.uri = table, uri
        super().__init__(f"there is no table {table} at {uri}")


class TableWentBack(Terminal):
    """A table's log ends before the version that this process has seen: it was restored from a copy, or
    removed. `found` is None where no table is left.

    Operator action: finish the restore, then start the sink again: it goes on at the checkpoints of the table
    as it is now, and lands again what Kafka still has. `fleetlake audit` names what is missing for good.
    """

    def __init__(self, table: str, uri: str, held: int, found: int | None) -> None:
        self.table, self.uri, self.held, self.found = table, uri, held, found
        now = "the table is gone" if found is None else f"its log now ends at version {found}"
        super().__init__(
            f"table {table} at {uri} went back: version {held} was there, {now}. Once it is restored, start "
            "the sink again: it lands again what Kafka still has"
        )


class RewriteDiffers(Terminal):
    """Rows that were to be written anew, only in another order and in larger files, are not as many as the
    table's log says. Nothing was changed.

    Operator action: report it with the message; queries and increments go on with the files as they are.
    """

    def __init__(self, table: str, partition: str, expected: int, found: int) -> None:
        self.table, self.partition, self.expected, self.found = table, partition, expected, found
        super().__init__(
            f"{table}, {partition}: its log says {expected:,} rows, and {found:,} were read; it was left as "
            "it is"
        )


class QueryRefused(Terminal):
    """Only one reading statement is taken at a time."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


class QueryFailed(Terminal):
    """A query that DuckDB cannot run; `line` and `column` (from 1) where it could say."""

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        self.problem, self.line, self.column = problem, line, column
        where = "" if line is None else f"line {line}, column {column}: "
        super().__init__(f"{where}{problem}")


class FileGone(QueryFailed):
    """A file that the table named when a query began is not there.

    Operator action: ask again: a vacuum has removed what a compaction had replaced. If the answer stays the
    same, the file was removed by something else: find out what (a lifecycle rule, a full vacuum of less than
    an hour), and restore it from a copy; Kafka may still have its messages.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(
            "a file of the table is gone: a vacuum was faster than this reader, ask again; where the answer "
            f"stays the same, something else has removed it ({problem})"
        )


def plain(error: Exception) -> str:
    """What a client library says of an error, on one line, without colours meant for a terminal and without
    the way through its own code."""
    return " ".join(BACKTRACE.sub("", COLOUR.sub("", str(error))).split())
