"""What the state collection is known to hold: which partitions a consumer group has written into it, and
where a rebuilt one goes on. Kept beside the state in MongoDB, so that a wiped server loses both together.

Everything is bound to the collection's identity (MongoDB's UUID): of another collection of the same name
nothing is known, and its writers begin again at the log's start.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from pymongo import WriteConcern, errors
from pymongo.collection import Collection

from lake.mongo import NAMESPACE_EXISTS, Document, open_client, translated
from lake.settings import MongoSettings
from lake.state import COLLECTION

MARKS = "_fleetlake"
ON_DISK = WriteConcern(w="majority", j=True)


class Mark(NamedTuple):
    """One partition of one topic, by the topic's identity."""

    topic: str
    topic_id: str
    partition: int


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

    def read(self, collection_id: str) -> frozenset[Mark]:
        """The partitions whose records up to the group's offsets are in that collection."""
        with self._translating():
            document = self._marks.find_one({"_id": self._id, "collection": collection_id})
        if document is None:
            return frozenset()
        return frozenset(Mark(**mark) for mark in document.get("marks", []))

    def add(self, collection_id: str, marks: Iterable[Mark]) -> None:
        """Records partitions, and forgets what other collections and other lives of their topics held."""
        new = list(marks)
        with self._translating():
            self._marks.update_one(
                {"_id": self._id}, {"$setOnInsert": {"collection": collection_id}}, upsert=True
            )
            self._marks.update_one(
                {"_id": self._id, "collection": {"$ne": collection_id}},
                {"$set": {"collection": collection_id, "marks": []}},
            )
            for topic, topic_id in {mark[:2] for mark in new}:
                former = {"topic": topic, "topic_id": {"$ne": topic_id}}
                self._marks.update_one({"_id": self._id}, {"$pull": {"marks": former}})
            self._marks.update_one(
                {"_id": self._id}, {"$addToSet": {"marks": {"$each": [mark._asdict() for mark in new]}}}
            )

    def barrier(self, collection_id: str, marks: Iterable[Mark]) -> bool:
        """Returns once every write acknowledged before is on disk; False if the collection is another one now
        or does not hold `marks`: then nothing is known of what it holds.

        MongoDB's log is sequential, so one journaled write of our own makes all earlier ones durable.
        """
        wanted = [mark._asdict() for mark in marks]
        with self._translating():
            if wanted:
                held = {"_id": self._id, "collection": collection_id, "marks": {"$all": wanted}}
                is_known = self._marks.update_one(held, {"$inc": {"barriers": 1}}).matched_count == 1
            else:
                self.make_durable()
                is_known = True
            return is_known and (self._find_id() or "") == collection_id

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
