"""What `fleetlake init` makes in MongoDB, on the embedded server with authentication; and how a replica set
begins, which that server cannot, by what a server answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pymongo
import pytest
from pymongo.errors import OperationFailure

from fleetlake.stack.embedded import start_mongo
from lake.errors import AccessDenied, BadAddress
from lake.mongo import Client, open_client
from lake.mongo_setup import begin_set, set_up
from lake.settings import MongoSettings

SET = "replicaSet=secantus"
"""As the embedded server calls its own."""

pytestmark = pytest.mark.embedded_mongo


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Host and port of a server that knows nobody but its administrator."""
    server = start_mongo(tmp_path, options=[])
    with pymongo.MongoClient[Any](f"mongodb://{server.address}/?directConnection=true") as client:
        client.admin.command("createUser", "root", pwd="root-1", roles=["root"])  # noqa: S106
    server.stop()
    server = start_mongo(tmp_path, server.port, options=["--auth"])
    yield server.address
    server.stop()


def of(address: str, password: str, options: str = SET) -> MongoSettings:
    """A service that logs in as the user of the deployment."""
    uri = f"mongodb://fleet:{password}@{address}/?authSource=fleetlake&{options}"
    return MongoSettings(uri=uri, timeout_s=5.0, ready_timeout_s=10.0)


def writes(settings: MongoSettings, database: str = "fleetlake") -> None:
    """One document."""
    with open_client(settings) as client:
        client[database]["probe"].insert_one({})


def test_the_user_of_the_address_is_made_once_and_gets_a_new_password(address: str) -> None:
    """Nobody is let in before, and on one database only afterwards; a new password ends the former one."""
    admin = f"mongodb://root:root-1@{address}/?directConnection=true"
    with pytest.raises(OperationFailure):
        writes(of(address, "first"))

    assert list(set_up(of(address, "first"), admin)) == ["user fleet"]
    writes(of(address, "first"))
    with pytest.raises(OperationFailure):
        writes(of(address, "first"), "another")

    assert list(set_up(of(address, "second"), admin)) == ["user fleet: password and rights as they should be"]
    writes(of(address, "second"))
    with pytest.raises(OperationFailure):
        writes(of(address, "first"))


def test_a_wrong_administrator_and_a_foreign_set_are_named(address: str) -> None:
    """As what they are, before anything is changed."""
    with pytest.raises(AccessDenied):
        list(set_up(of(address, "first"), f"mongodb://root:wrong@{address}/?directConnection=true"))
    with pytest.raises(BadAddress, match="belongs to the replica set secantus, and the address says rs0"):
        list(
            set_up(
                of(address, "first", "replicaSet=rs0"),
                f"mongodb://root:root-1@{address}/?directConnection=true",
            )
        )


class FakeAdmin:
    """Answers commands by their names: a document, or an exception."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, list[tuple[Any, ...]]()
        self.admin = self

    def command(self, *words: Any) -> Any:
        self.asked.append(words)
        answer = self.answers[words[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_new_server_begins_the_set_of_the_address() -> None:
    """With the members that the address names, once."""
    new = FakeAdmin(replSetGetStatus=OperationFailure("no config", 94), replSetInitiate={"ok": 1.0})
    assert begin_set(cast("Client", new), "rs0", ("mongo:27017",))
    assert new.asked[-1] == (
        "replSetInitiate",
        {"_id": "rs0", "members": [{"_id": 0, "host": "mongo:27017"}]},
    )
    assert not begin_set(cast("Client", FakeAdmin(replSetGetStatus={"set": "rs0"})), "rs0", ("mongo:27017",))


def test_a_server_that_was_not_started_for_a_set_is_an_error() -> None:
    """Not taken for a new one."""
    alone = FakeAdmin(replSetGetStatus=OperationFailure("not running with --replSet", 76))
    with pytest.raises(OperationFailure, match="not running with --replSet"):
        begin_set(cast("Client", alone), "rs0", ("mongo:27017",))
