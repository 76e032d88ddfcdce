"""Makes users and gives them what rights.yml says. Can be run again: what is right stays as it is.

    python infra/security/apply.py kafka    # SCRAM users and ACLs
    python infra/security/apply.py minio    # policies and users
    python infra/security/apply.py mongo    # roles and users; never tried on a real mongod

Where the servers are say the FLEETLAKE_* variables, here with the administrator's own credentials: for Kafka
its certificate at the nodes' port, for MinIO and MongoDB their root users. FLEETLAKE_CONTRACTS must name the
contracts that the services run with. --passwords is the file of `passwords.py`.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import pymongo
from pymongo.errors import OperationFailure

from broker.access import Access
from broker.admin import Admin
from contracts.load import load_registry
from fleetlake.failures import describe_failure
from fleetlake.settings import Settings
from infra.security import kafka_grants, mongo_roles, passwords
from infra.security.minio_admin import MinioAdmin
from infra.security.rights import Rights, load_rights
from infra.security.store_policies import policy
from lake.locations import locations


class NoPassword(Exception):
    """A service has no password yet.

    Operator action: `python infra/security/passwords.py` makes what is missing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no {name} in the file of passwords: passwords.py makes it")


def apply_kafka(settings: Settings, rights: Rights, secrets: Mapping[str, str]) -> None:
    """Users first: an ACL of nobody would be there before who it is for."""
    users = kafka_grants.users(rights)
    access = Access(Admin(settings.kafka))
    access.set_passwords({user: _secret(secrets, passwords.KAFKA, user) for user in users})
    wanted = kafka_grants.grants(rights, load_registry(settings.contracts), settings.kafka)
    changed = access.set_grants(users, wanted)
    for grant in changed.added:
        print(f"granted: {grant}")
    for words in changed.removed:
        print(f"removed: {words}")
    print(f"kafka: {len(users)} users, {len(wanted)} rights, {len(changed.added)} of them new")


def apply_minio(settings: Settings, rights: Rights, secrets: Mapping[str, str]) -> None:
    """A policy a service, and a user of that name who has it."""
    s3, lake = settings.lake.s3, locations(settings.lake)
    root = s3.secret_access_key.get_secret_value() if s3.secret_access_key else ""
    admin = MinioAdmin(s3.endpoint_url or "", s3.access_key_id or "", root)
    owners = {name: service.store for name, service in rights.services.items() if service.store}
    for name, store in owners.items():
        admin.set_policy(name, policy(store, lake))
        admin.set_user(name, _secret(secrets, passwords.STORE, name))
        admin.attach(name, name)
    print(f"minio: {len(owners)} users for {lake.root}")


def apply_mongo(settings: Settings, rights: Rights, secrets: Mapping[str, str]) -> None:
    """A role and a user a service. Never tried on a real mongod."""
    named = {name: secrets.get(passwords.variable(passwords.MONGO, name), "") for name in rights.services}
    with pymongo.MongoClient(settings.mongo.uri) as client:
        database = client[settings.mongo.database]
        for command in mongo_roles.commands(rights, settings.mongo.database, named):
            if "createUser" in command:
                _secret(secrets, passwords.MONGO, command["createUser"])
            try:
                database.command(command)
            except OperationFailure as error:
                if error.code not in (mongo_roles.USER_EXISTS, mongo_roles.ROLE_EXISTS):
                    raise
                database.command(mongo_roles.as_update(command))
    print(f"mongo: users and roles of {settings.mongo.database}")


def _secret(secrets: Mapping[str, str], kind: str, service: str) -> str:
    name = passwords.variable(kind, service)
    if not secrets.get(name):
        raise NoPassword(name)
    return secrets[name]


SERVERS = {"kafka": apply_kafka, "minio": apply_minio, "mongo": apply_mongo}


def main() -> int:
    """The command; returns the exit code."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("servers", nargs="+", choices=list(SERVERS))
    options.add_argument("--passwords", type=Path, default=passwords.FILE)
    arguments = options.parse_args()
    try:
        settings, rights, secrets = Settings(), load_rights(), passwords.read(arguments.passwords)
        for server in arguments.servers:
            SERVERS[server](settings, rights, secrets)
    except Exception as error:  # noqa: BLE001 - the entry point: a failure is one readable line
        failure = describe_failure(error)
        print(failure.text, file=sys.stderr)
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
