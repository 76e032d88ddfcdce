"""What the state collection is known to hold: how far a consumer group has written each partition, and
where a rebuilt one goes on. Kept beside the state in MongoDB, so that a wiped server loses both together, and
one that was restored from a copy says of itself what the copy holds.

Everything is bound to the collection's identity (MongoDB's UUID): of another collection of the same name
nothing is known, and its writers begin again at the log's start.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from bson.int64 import Int64
from pymongo import WriteConcern, errors
from pymongo.collection import Collection

from lake.mongo import NAMESPACE_EXISTS, Document, open_client, server_life, translated
from lake.settings import MongoSettings
from lake.state import COLLECTION

MARKS = "_fleetlake"
ON_DISK = WriteConcern(w="majority", j=True)


class Mark(NamedTuple):
    """One partition of one topic, by the topic's identity."""

    topic: str
    topic_id: str
    partition: int


class Reach(NamedTuple):
    """How far a partition is in the collection: everything before `known` was there at the last checkpoint,
    everything before `reached` has been written since."""

    known: int
    reached: int


class Held(NamedTuple):
    """What the collection must still hold for a checkpoint to count, and the server that took the writes."""

    server: str
    marks: Mapping[Mark, Reach]


class StateMarks:
    """The marks of one consumer group on one collection. Safe to share between threads."""

    def __init__(self, settings: MongoSettings, group: str, collection: str = COLLECTION) -> None:
        self.collection = collection
        self._client = open_client(settings)
        self._database = settings.database
        self._id = f"{collection}/group/{group}"

    def collection_id(self) -> str:
        """The identity of the collection as it is now; it is created where it is missing."""
        with self._translating():
            found = self._find_id()
            if found is None:
                self._create()
                found = self._find_id() or ""
            return found

    def known_id(self) -> str | None:
        """The identity of the collection; None where there is none."""
        with self._translating():
            return self._find_id()

    def server_life(self) -> str:
        """The server's life as it is now; see `lake.mongo.server_life`."""
        with self._translating():
            return server_life(self._client)

    def read(self, collection_id: str) -> dict[Mark, int]:
        """Per partition the offset before which everything is in that collection."""
        with self._translating():
            document = self._marks.find_one({"_id": self._id, "collection": collection_id}) or {}
        return {
            Mark(_plain(topic), _plain(topic_id), int(partition)): int(offset)
            for topic, lives in document.get("reached", {}).items()
            for topic_id, partitions in lives.items()
            for partition, offset in partitions.items()
        }

    def add(self, collection_id: str, marks: Mapping[Mark, int]) -> None:
        """Records partitions, and forgets what other collections and other lives of their topics held."""
        here = {"_id": self._id, "collection": collection_id}
        with self._translating():
            self._marks.update_one(
                {"_id": self._id}, {"$setOnInsert": {"collection": collection_id}}, upsert=True
            )
            self._marks.update_one(
                {"_id": self._id, "collection": {"$ne": collection_id}},
                {"$set": {"collection": collection_id, "reached": {}}},
            )
            for mark in marks:
                first: Document = {"$set": {_topic(mark): {_field(mark.topic_id): {}}}}
                self._marks.update_one({**here, _life(mark): {"$exists": False}}, first)
            self._marks.update_one(
                here, {"$max": {_path(mark): Int64(offset) for mark, offset in marks.items()}}
            )

    def barrier(self, collection_id: str, held: Held) -> bool:
        """Returns once every write acknowledged before is on disk, and records what was reached by then.

        False where that cannot be relied on: the collection is another one now, or holds less than it did (a
        copy was restored), or the server is not the one that took the writes: a restart loses what was not on
        disk. MongoDB's log is sequential, so one journaled write of our own makes all earlier ones durable.
        """
        with self._translating():
            if held.marks:
                known = {_path(mark): {"$gte": Int64(reach.known)} for mark, reach in held.marks.items()}
                reached = {_path(mark): Int64(reach.reached) for mark, reach in held.marks.items()}
                here = {"_id": self._id, "collection": collection_id, **known}
                is_held = self._marks.update_one(here, {"$max": reached}).matched_count == 1
            else:
                self.make_durable()
                is_held = True
            return (
                is_held
                and (self._find_id() or "") == collection_id
                and server_life(self._client) == held.server
            )

    def make_durable(self) -> None:
        """Returns once every write acknowledged before is on disk."""
        with self._translating():
            self._marks.update_one({"_id": self._id}, {"$inc": {"barriers": 1}}, upsert=True)

    def goes_on_at(self, collection_id: str) -> dict[tuple[str, int], int]:
        """Where to read the log on from to complete a rebuilt collection, by topic identity and partition.

        Empty for a collection that no rebuild has made.
        """
        with self._translating():
            document = self._marks.find_one({"_id": self._rebuilt, "collection": collection_id}) or {}
        return {(each["topic_id"], each["partition"]): each["offset"] for each in document.get("offsets", [])}

    def record_rebuilt(self, collection_id: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Says that a collection holds everything before `offsets`."""
        places = [
            {"topic_id": topic_id, "partition": partition, "offset": offset}
            for (topic_id, partition), offset in offsets.items()
        ]
        with self._translating():
            self._marks.update_one(
                {"_id": self._rebuilt},
                {"$set": {"collection": collection_id, "offsets": places}},
                upsert=True,
            )

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def __enter__(self) -> "StateMarks":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _rebuilt(self) -> str:
        return f"{self.collection}/rebuilt"

    @property
    def _marks(self) -> Collection[Document]:
        return self._client[self._database].get_collection(MARKS, write_concern=ON_DISK)

    def _find_id(self) -> str | None:
        found: list[Mapping[str, Any]] = list(
            self._client[self._database].list_collections(filter={"name": self.collection})
        )
        return None if not found else bytes(found[0].get("info", {}).get("uuid") or b"").hex()

    def _create(self) -> None:
        try:
            self._client[self._database].create_collection(self.collection, check_exists=False)
        except errors.OperationFailure as error:
            if error.code != NAMESPACE_EXISTS:
                raise

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except errors.PyMongoError as error:
            raise translated(self._client, error, MARKS) from error


def _topic(mark: Mark) -> str:
    return f"reached.{_field(mark.topic)}"


def _life(mark: Mark) -> str:
    return f"{_topic(mark)}.{_field(mark.topic_id)}"


def _path(mark: Mark) -> str:
    return f"{_life(mark)}.{mark.partition}"


def _field(name: str) -> str:
    """A name as a field: neither a path nor an operator."""
    return quote(name, safe="").replace(".", "%2E")


def _plain(field: str) -> str:
    return unquote(field)
