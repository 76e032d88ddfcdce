"""The latest state of every vehicle in MongoDB: one document a vehicle, written with `$max`, so that order of
arrival, repetition and the number of writers never change the result. For the state sink, the rebuild, the
audit and `fleetlake state`. `_id` is the only index that these need: every access is by vehicle, or reads
all."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import bson.errors
import pymongo
from pymongo import errors
from pymongo.collection import Collection

from lake.errors import StateNotWritten, StateRefused, StateUnreadable
from lake.mongo import (
    NAMESPACE_EXISTS,
    NAMESPACE_NOT_FOUND,
    RETRYABLE_CODES,
    Client,
    Document,
    open_client,
    translated,
)
from lake.settings import MongoSettings
from lake.state_model import VehicleState, from_document, update_fields
from lake.state_view import LATEST_VIEW, latest_pipeline

COLLECTION = "vehicle_state"
READ_BATCH = 1000
DOUBLED = (
    {"$group": {"_id": "$_id", "documents": {"$sum": 1}}},
    {"$match": {"documents": {"$gt": 1}}},
)
"""Ids of more than one document."""

EMBEDDED = "secantusVersion"
"""What only the embedded server says in `buildInfo`."""

LOOKS_FOR_S = 120.0
"""It reads every vehicle to find doubles: seconds for a hundred thousand."""


class StateStore:
    """The documents of one collection. Safe to share between threads."""

    def __init__(
        self, settings: MongoSettings, collection: str = COLLECTION, *, client: Client | None = None
    ) -> None:
        self.settings = settings
        self.name = collection
        self._client = client or open_client(settings)
        self._owns_client = client is None

    def at(self, collection: str) -> "StateStore":
        """Another collection of the same database, over the same connection."""
        return StateStore(self.settings, collection, client=self._client)

    def write(self, updates: Iterable[VehicleState]) -> int:
        """One `$max` a vehicle, in no particular order; returns how many operations were sent.

        A vehicle without signals is left out. Raises StateNotWritten or StoreUnavailable where all of it may
        simply be written again, and StateRefused for a vehicle that can never be written: all the others of
        the call are then in.
        """
        operations = [
            pymongo.UpdateOne({"_id": update.vehicle_id}, {"$max": update_fields(update)}, upsert=True)
            for update in updates
            if update.signals or update.maxima
        ]
        if not operations:
            return 0
        try:
            self._collection.bulk_write(operations, ordered=False)
        except errors.BulkWriteError as error:
            raise self._bulk_error(error, len(operations)) from error
        except (bson.errors.InvalidDocument, OverflowError) as error:
            raise StateRefused(self.name, (), None, str(error)) from error
        except errors.PyMongoError as error:
            raise translated(self._client, error, self.name) from error
        return len(operations)

    def read(self, vehicle_id: str) -> VehicleState | None:
        """The state of one vehicle, or None where it was never seen."""
        with self._translating():
            document = self._collection.find_one({"_id": vehicle_id})
        return None if document is None else from_document(document)

    def read_many(self, vehicle_ids: Sequence[str]) -> dict[str, VehicleState]:
        """The states of those vehicles that have one."""
        with self._translating():
            found = self._collection.find({"_id": {"$in": list(vehicle_ids)}}, batch_size=READ_BATCH)
            return {document["_id"]: from_document(document) for document in found}

    def read_all(
        self,
        signals: Sequence[str] | None = None,
        unreadable: Callable[[StateUnreadable], None] | None = None,
    ) -> Iterator[VehicleState]:
        """Every vehicle, ordered by the UTF-8 bytes of its id; only the named state keys where given.

        A document that cannot be read raises StateUnreadable, or is told to `unreadable` and passed over.
        """
        projection = None if signals is None else {"u": 1} | {f"s.{key}": 1 for key in signals}
        with self._translating():
            found = self._collection.find({}, projection, batch_size=READ_BATCH).sort("_id", 1)
            for document in found:
                try:
                    state = from_document(document)
                except StateUnreadable as error:
                    if unreadable is None:
                        raise
                    unreadable(error)
                else:
                    yield state

    def count(self) -> int:
        """How many vehicles have a state."""
        with self._translating():
            return self._collection.count_documents({})

    def drop(self) -> None:
        """Removes the collection; nothing happens where there is none."""
        with self._translating():
            self._collection.drop()

    def replace_with(self, source: "StateStore") -> bool:
        """Puts `source` in this collection's place, in one step for readers, and `source` is gone afterwards.
        False if there is no `source`: somebody has removed it, and nothing changes."""
        with self._translating():
            try:
                self._database[source.name].rename(self.name, dropTarget=True)
            except errors.OperationFailure as error:
                if error.code != NAMESPACE_NOT_FOUND:
                    raise
                return False
            return True

    def unite_doubles(self) -> int:
        """Makes one document of those that have the same id; returns of how many vehicles there were several.

        MongoDB has none. The embedded server does: what is upserted while a collection is renamed onto
        another stays beside what came, and only one of the two is found by its id from then on. Writers may
        go on meanwhile. A process that is killed here loses what it holds: it reads its own partitions again,
        as the collection was new to it; what others had of theirs, a rebuild brings back.
        """
        with self._translating():
            if EMBEDDED not in self._database.command("buildInfo"):
                return 0
        patient = self.settings.model_copy(update={"timeout_s": max(self.settings.timeout_s, LOOKS_FOR_S)})
        with open_client(patient) as client:
            return StateStore(patient, self.name, client=client)._unite()

    def _unite(self) -> int:
        with self._translating():
            doubled = [found["_id"] for found in self._collection.aggregate(list(DOUBLED))]
            for vehicle_id in doubled:
                same = {"$expr": {"$eq": ["$_id", {"$literal": vehicle_id}]}}  # not by the index
                with suppress(StateUnreadable):  # stays as it is: the audit names it
                    for found in self._collection.find(same):
                        from_document(found)
                    taken = []  # all of them: without the hidden one the index finds none
                    while document := self._collection.find_one_and_delete(same):
                        taken.append(from_document(document))
                    for state in taken:
                        self.write([state])
        return len(doubled)

    def ensure_view(self) -> None:
        """Creates `vehicle_latest`, the state as people read it, or brings it up to date. Idempotent."""
        pipeline = latest_pipeline()
        with self._translating():
            try:
                self._database.create_collection(
                    LATEST_VIEW, check_exists=False, viewOn=self.name, pipeline=pipeline
                )
            except errors.OperationFailure as error:
                if error.code != NAMESPACE_EXISTS:
                    raise
                self._database.command("collMod", LATEST_VIEW, viewOn=self.name, pipeline=pipeline)

    def close(self) -> None:
        """Closes the connection, unless another store lent it."""
        if self._owns_client:
            self._client.close()

    def __enter__(self) -> "StateStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _database(self) -> Any:
        return self._client[self.settings.database]

    @property
    def _collection(self) -> Collection[Document]:
        return self._client[self.settings.database][self.name]

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except errors.PyMongoError as error:
            raise translated(self._client, error, self.name) from error

    def _bulk_error(self, error: errors.BulkWriteError, operations: int) -> StateNotWritten | StateRefused:
        details: Mapping[str, Any] = error.details or {}
        failed = details.get("writeErrors", [])
        refused = [each for each in failed if each.get("code") not in RETRYABLE_CODES]
        if refused:
            vehicles = tuple(each["op"]["q"]["_id"] for each in refused)
            return StateRefused(self.name, vehicles, refused[0].get("code"), refused[0].get("errmsg", ""))
        problems = [*failed, *details.get("writeConcernErrors", [])]
        return StateNotWritten(
            self.name, operations, "; ".join(each.get("errmsg", "") for each in problems[:3])
        )
