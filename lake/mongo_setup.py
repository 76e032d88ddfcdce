"""Makes what the address of MongoDB names, on a server that is new: its replica set, and the user that
everything else logs in as. For `fleetlake init`, which alone knows the administrator. Idempotent."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pymongo import errors
from pymongo.uri_parser import parse_uri

from lake.errors import BadAddress, StoreUnavailable
from lake.mongo import RETRY_SECONDS, STORE, Client, addresses, open_client, translated, wait_ready
from lake.settings import MongoSettings

NOT_YET_INITIALIZED = 94
DEFAULT_PORT = 27017
ROLE = "readWrite"
"""Of everybody on the one database: rights per service are another matter, see docs/deployment.md."""


@dataclass(frozen=True, slots=True)
class Named:
    """What an address says beside where the server is."""

    members: tuple[str, ...]
    replica_set: str | None
    user: str | None
    password: str | None
    user_database: str

    @classmethod
    def by(cls, settings: MongoSettings) -> "Named":
        """BadAddress where it cannot be read."""
        try:
            found = parse_uri(settings.uri)
        except (errors.InvalidURI, errors.ConfigurationError, ValueError) as error:
            raise BadAddress(STORE, str(error)) from error
        options = {str(name).lower(): value for name, value in dict(found["options"]).items()}
        return cls(
            members=tuple(f"{host}:{port or DEFAULT_PORT}" for host, port in found["nodelist"]),
            replica_set=options.get("replicaset"),
            user=found["username"],
            password=found["password"],
            user_database=options.get("authsource") or found["database"] or "admin",
        )


def set_up(
    settings: MongoSettings,
    admin_uri: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """Does what is missing, and tells each thing that it did. The errors of `lake.errors`; StoreUnavailable
    where the set has no primary within `ready_timeout_s`."""
    admin = settings.model_copy(update={"uri": admin_uri})
    named = Named.by(settings)
    wait_ready(admin, clock=clock, sleep=sleep)
    with open_client(admin) as client:
        try:
            if named.replica_set is not None and begin_set(client, named.replica_set, named.members):
                yield f"replica set {named.replica_set}: {', '.join(named.members)}"
            _await_primary(client, clock() + settings.ready_timeout_s, clock, sleep)
            if named.user is not None:
                is_new = put_user(client, named, settings.database)
                yield f"user {named.user}{'' if is_new else ': password and rights as they should be'}"
        except errors.PyMongoError as error:
            raise translated(client, error) from error


def begin_set(client: Client, name: str, members: tuple[str, ...]) -> bool:
    """Begins the set on a server that was started for one and knows none yet; whether it did. BadAddress
    where the server belongs to another set."""
    try:
        status = client.admin.command("replSetGetStatus")
    except errors.OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
    else:
        if status["set"] != name:
            problem = f"the server belongs to the replica set {status['set']}, and the address says {name}"
            raise BadAddress(STORE, problem)
        return False
    listed = [{"_id": number, "host": host} for number, host in enumerate(members)]
    client.admin.command("replSetInitiate", {"_id": name, "members": listed})
    return True


def put_user(client: Client, named: Named, database: str) -> bool:
    """The user with this password and with rights on this database alone; whether it is new."""
    home = client[named.user_database]
    rights: dict[str, Any] = {"pwd": named.password, "roles": [{"role": ROLE, "db": database}]}
    is_new = not home.command("usersInfo", named.user)["users"]
    home.command("createUser" if is_new else "updateUser", named.user, **rights)
    return is_new


def _await_primary(
    client: Client, deadline: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """A set elects its primary some seconds after it began; users can be made only then."""
    while not client.admin.command("hello").get("isWritablePrimary"):
        if clock() >= deadline:
            raise StoreUnavailable(STORE, addresses(client), "its replica set has no primary")
        sleep(RETRY_SECONDS)
