"""MongoDB's client and what its errors mean here: may be retried, access denied, or refused for good. The
decision rests on error types, labels and server codes, never on message text."""

import re
import time
from collections.abc import Callable
from typing import Any

import pymongo
from pymongo import errors

from lake.errors import AccessDenied, BadAddress, StateRefused, StoreUnavailable, Terminal, Transient
from lake.settings import MongoSettings

STORE = "MongoDB"
RETRY_SECONDS = 0.5

Document = dict[str, Any]
Client = pymongo.MongoClient[Document]

NOISE = re.compile(
    r"\[Errno \d+\] | \(configured timeouts: [^)]*\)|(, Timeout: [\d.]+s)?, Topology Description: .*",
    re.DOTALL,
)

DUPLICATE_KEY = 11000
NAMESPACE_EXISTS = 48
NAMESPACE_NOT_FOUND = 26
DENIED_CODES = frozenset({13, 18, 8000})
RETRYABLE_CODES = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        50,  # MaxTimeMSExpired
        64,  # WriteConcernFailed
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        112,  # WriteConflict
        134,  # ReadConcernMajorityNotAvailableYet
        175,  # QueryPlanKilled: a rebuild swapped the collection under a reader
        189,  # PrimarySteppedDown
        237,  # CursorKilled
        262,  # ExceededTimeLimit
        9001,  # SocketException
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11602,  # InterruptedDueToReplStateChange
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
        14031,  # OutOfDiskSpace: an operator frees some
        DUPLICATE_KEY,  # two upserts of one new vehicle met; the next one updates
    }
)


def open_client(settings: MongoSettings) -> Client:
    """A client of the server; connects when first used. A write counts once a majority has it.

    A server of its own may lose the last ones when it is killed: `StateMarks.barrier` waits for the disk, and
    finds by `server_life` that it was.
    """
    milliseconds = max(1, int(settings.timeout_s * 1000))
    try:
        return pymongo.MongoClient(
            settings.uri,
            appname="fleetlake",
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=milliseconds,
            w="majority",
        )
    except (errors.InvalidURI, errors.ConfigurationError, ValueError) as error:
        raise BadAddress(STORE, str(error)) from error


def wait_ready(
    settings: MongoSettings,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Returns once the server answers; StoreUnavailable after the deadline."""
    probe = settings.model_copy(update={"timeout_s": min(settings.timeout_s, 2.0)})
    deadline = clock() + settings.ready_timeout_s
    with open_client(probe) as client:
        while True:
            try:
                client[settings.database].command("ping")
            except errors.PyMongoError as error:
                problem = translated(client, error)
                if isinstance(problem, Terminal) or clock() >= deadline:
                    raise problem from error
                sleep(RETRY_SECONDS)
            else:
                return


def server_life(client: Client) -> str:
    """The server process that has what is not on disk yet: a server of its own is another one after each
    start, and may have lost acknowledged writes. Empty for a replica set, whose majority has them."""
    hello = client.admin.command("hello")
    if "setName" in hello or hello.get("msg") == "isdbgrid":
        return ""
    return str(hello.get("topologyVersion", {}).get("processId", ""))


AWAY = (
    errors.ConnectionFailure,
    errors.CursorNotFound,
    errors.ExecutionTimeout,
    errors.InvalidOperation,  # our own client was closed under a write that nobody waits for
)


def translated(client: Client, error: errors.PyMongoError, collection: str = "") -> Transient | Terminal:
    """What a client's error means for the caller."""
    address = addresses(client)
    problem = reason(error, address)
    if isinstance(error, AWAY):
        return StoreUnavailable(STORE, address, problem)
    if isinstance(error, errors.OperationFailure):
        if error.code in DENIED_CODES:
            return AccessDenied(STORE, address, problem)
        if error.code in RETRYABLE_CODES or error.has_error_label("RetryableWriteError"):
            return StoreUnavailable(STORE, address, problem)
        return StateRefused(collection, (), error.code, problem)
    if error.timeout or error.has_error_label("RetryableWriteError"):
        return StoreUnavailable(STORE, address, problem)
    return StateRefused(collection, (), None, problem)


def reason(error: errors.PyMongoError, address: str = "") -> str:
    """What the client says, without its dump of the topology, its timeouts, and the address where it is the
    only one. Only wording: nothing is decided by it."""
    return NOISE.sub("", str(error)).removeprefix(f"{address}: ")


def addresses(client: Client) -> str:
    """The servers a client was told of, without credentials."""
    seeds = client.topology_description.server_descriptions()
    return ",".join(f"{host}:{port}" for host, port in sorted(seeds, key=str))
