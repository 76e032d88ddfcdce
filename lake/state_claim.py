"""Who is rebuilding the state, and the collections that rebuilds work in.

Whoever claims last has it: a rebuild that was killed holds nobody up, and one that merely hung finds before
its swap that it was taken over, or with its swap, because its working collection is gone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self
from uuid import uuid4

from pymongo import errors
from pymongo.collection import Collection

from lake.errors import Transient
from lake.mongo import Document, open_client, server_life, translated
from lake.settings import MongoSettings
from lake.state import COLLECTION
from lake.state_marks import MARKS, ON_DISK


class RebuildTakenOver(Transient):
    """Another rebuild of the same state has begun since; its result will be as good.

    Operator action: none, or wait for the other one.
    """

    def __init__(self, collection: str) -> None:
        self.collection = collection
        super().__init__(f"another rebuild of {collection} has begun; this one gave up")


class RebuildInterrupted(Transient):
    """MongoDB was started anew while a rebuild wrote: what was not on disk yet may be missing from it.

    Operator action: run `fleetlake state rebuild` again; until then the state is the one of before.
    """

    def __init__(self, collection: str) -> None:
        self.collection = collection
        super().__init__(
            f"MongoDB was started anew while {collection} was rebuilt: run `fleetlake state rebuild` again"
        )


class RebuildClaim:
    """The right to replace the state collection, held from creation until somebody else claims it, and an
    empty collection to work in."""

    def __init__(self, settings: MongoSettings, collection: str = COLLECTION) -> None:
        self._client = open_client(settings)
        self._database = settings.database
        self._collection = collection
        self._id = f"{collection}/claim"
        self.token = uuid4().hex
        with self._translating():
            self._server = server_life(self._client)
            self._claims.update_one({"_id": self._id}, {"$set": {"token": self.token}}, upsert=True)
            self._client[self._database].create_collection(self.working_collection, check_exists=False)

    @property
    def working_collection(self) -> str:
        """Where this rebuild writes before its swap."""
        return f"{self._prefix}{self.token}"

    def check(self) -> None:
        """RebuildTakenOver if somebody else has claimed it since, RebuildInterrupted if the server is not the
        one that took what was written."""
        with self._translating():
            if server_life(self._client) != self._server:
                raise RebuildInterrupted(self._collection)
            held = self._claims.find_one({"_id": self._id, "token": self.token})
        if held is None:
            raise RebuildTakenOver(self._collection)

    def drop_leftovers(self) -> list[str]:
        """Removes the working collections of all other rebuilds; returns their names. Done before the swap:
        none of them can swap after it."""
        with self._translating():
            names = self._client[self._database].list_collection_names()
            left = [
                name for name in names if name.startswith(self._prefix) and name != self.working_collection
            ]
            for name in left:
                self._client[self._database].drop_collection(name)
            return left

    def close(self) -> None:
        """Drops this rebuild's working collection where it is still there, and the connection."""
        try:
            with self._translating():
                self._client[self._database].drop_collection(self.working_collection)
        finally:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _prefix(self) -> str:
        return f"{self._collection}_rebuild_"

    @property
    def _claims(self) -> Collection[Document]:
        return self._client[self._database].get_collection(MARKS, write_concern=ON_DISK)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except errors.PyMongoError as error:
            raise translated(self._client, error, MARKS) from error
