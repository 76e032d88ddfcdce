"""What rights.yml means for MongoDB: a role and a user a service, as the commands that make them.

Never run on a real mongod: the embedded server knows no users. The commands are those of MongoDB's manual.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.security.rights import Rights, ServiceRights

Command = dict[str, Any]

MECHANISMS = ["SCRAM-SHA-256"]
USER_EXISTS, ROLE_EXISTS = 51003, 51002
"""MongoDB's codes for what is there already: the same command with `update` for `create` is right then."""


def commands(rights: Rights, database: str, passwords: Mapping[str, str]) -> Iterator[Command]:
    """In the order in which they are to be run on the database: each role before its user."""
    for name, service in rights.services.items():
        if not service.mongo and not service.mongo_roles:
            continue
        if service.mongo:
            yield {"createRole": name, "privileges": list(_privileges(service, database)), "roles": []}
        roles = [*([name] if service.mongo else []), *service.mongo_roles]
        given = [{"role": role, "db": database} for role in roles]
        yield {"createUser": name, "pwd": passwords[name], "roles": given, "mechanisms": MECHANISMS}


def as_update(command: Command) -> Command:
    """The command for a role or user that is there already."""
    kind, name = next(iter(command.items()))
    rest = {key: value for key, value in command.items() if key != kind}
    return {kind.replace("create", "update"): name, **rest}


def _privileges(service: ServiceRights, database: str) -> Iterator[dict[str, Any]]:
    for collection, actions in service.mongo.items():
        yield {"resource": {"db": database, "collection": collection}, "actions": list(actions)}
