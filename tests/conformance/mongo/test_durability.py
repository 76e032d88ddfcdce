"""What an acknowledgement is worth: journaled writes outlive the server's process, and a server of its own
says by its identity that it was started anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.collection import Collection

from lake.mongo import Client, open_client, server_life
from lake.settings import MongoSettings
from lake.state_marks import ON_DISK
from tests.servers import Mongo

Vehicles = Collection[dict[str, Any]]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Mongo]:
    """A server that the test may kill. It runs already."""
    server = Mongo(tmp_path / "own-mongo")
    server.start()
    yield server
    server.stop()


def restarted(server: Mongo) -> None:
    """SIGKILL, and a new start."""
    server.kill()
    server.start()


def test_both_write_concerns_are_taken(vehicles: Vehicles) -> None:
    """A majority for values, with the journal for marks; a server of its own takes them, too."""
    assert vehicles.write_concern.document == {"w": "majority"}
    journaled = vehicles.with_options(write_concern=ON_DISK)
    for collection in (vehicles, journaled):
        assert collection.update_one({"_id": "v"}, {"$max": {"n": 1}}, upsert=True).acknowledged


def test_what_was_acknowledged_is_seen_by_everybody(
    vehicles: Vehicles, mongo_settings: MongoSettings
) -> None:
    """By the next read of any client."""
    with open_client(mongo_settings) as other:
        elsewhere = other[mongo_settings.database][vehicles.name]
        for number in range(50):
            vehicles.update_one({"_id": "v"}, {"$max": {"n": number}}, upsert=True)
            assert elsewhere.find_one({"_id": "v", "n": number}) is not None


def test_a_server_has_one_life_or_is_a_replica_set(client: Client, mongo_settings: MongoSettings) -> None:
    """Every client sees the same; empty only where a majority of a replica set answers for writes."""
    hello = client.admin.command("hello")
    with open_client(mongo_settings) as other:
        assert server_life(other) == server_life(client)
    assert bool(server_life(client)) == ("setName" not in hello and hello.get("msg") != "isdbgrid")


@pytest.mark.embedded_mongo
def test_a_journaled_write_makes_all_before_it_outlive_a_kill(own_server: Mongo) -> None:
    """Only of a server that the test may kill. Writes that were merely acknowledged come first: they are in
    the same log."""
    with open_client(MongoSettings(uri=own_server.uri)) as client:
        vehicles = client["db"]["vehicles"]
        for number in range(300):
            vehicles.update_one({"_id": f"v{number}"}, {"$max": {"n": 1}}, upsert=True)
        marks = client["db"].get_collection("marks", write_concern=ON_DISK)
        marks.update_one({"_id": "m"}, {"$inc": {"n": 1}}, upsert=True)
        restarted(own_server)
        assert (vehicles.count_documents({}), marks.count_documents({})) == (300, 1)


@pytest.mark.embedded_mongo
def test_a_server_started_anew_has_another_life(own_server: Mongo) -> None:
    """Only of a server that the test may kill. Clients that stay connected see it, too; a collection keeps
    its identity, so that nothing else tells."""
    with open_client(MongoSettings(uri=own_server.uri)) as client:
        client["db"].create_collection("vehicles").with_options(write_concern=ON_DISK).insert_one(
            {"_id": "v"}
        )
        (before,) = client["db"].list_collections()
        lives = [server_life(client)]
        restarted(own_server)
        lives.append(server_life(client))
        (after,) = client["db"].list_collections()
    assert len(set(lives)) == 2
    assert before["info"]["uuid"] == after["info"]["uuid"]
