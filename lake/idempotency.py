"""Which requests with an idempotency key were taken on, by whom, and what they were answered: in MongoDB, for
the gateways of all machines. A key has one claim, and a claim one owner at a time, whoever asks at once.

Everything is on disk before it is relied on. That a claim has no answer says nothing about its events: those
are looked for in Kafka, from the ends that the claim holds.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import pymongo
from bson.codec_options import CodecOptions
from pymongo import errors
from pymongo.collection import Collection

from lake.errors import StoreUnavailable
from lake.idempotency_model import Claim, Given, answered, from_document, to_document, unanswered
from lake.mongo import DUPLICATE_KEY, STORE, Document, addresses, open_client, server_life, translated
from lake.settings import MongoSettings
from lake.state_marks import ON_DISK

COLLECTION = "idempotency"
AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)
Write = pymongo.UpdateOne | pymongo.DeleteOne


class Claims:
    """The claims of all gateways. Safe to share between threads."""

    def __init__(self, settings: MongoSettings) -> None:
        self._client = open_client(settings)
        self._database = settings.database
        self._is_indexed = False

    def take(self, claims: Sequence[Claim]) -> set[str]:
        """Takes those whose key nobody has; returns their ids."""
        with self._translating():
            self._index()
            try:
                self._claims.insert_many([to_document(claim) for claim in claims], ordered=False)
            except errors.BulkWriteError as error:
                return {claim.id for claim in claims} - self._taken(error, claims)
            return {claim.id for claim in claims}

    def find(self, ids: Iterable[str]) -> dict[str, Claim]:
        """Those that exist, by id."""
        with self._translating():
            found = self._claims.find({"_id": {"$in": list(ids)}})
            return {document["_id"]: from_document(document) for document in found}

    def retake(self, former: Claim, claim: Claim) -> bool:
        """Puts a claim in the place of one without an answer; False where somebody was faster."""
        with self._translating():
            found = self._claims.replace_one(unanswered(former), to_document(claim))
            return found.matched_count == 1

    def answer(self, answers: Iterable[tuple[Claim, Given]]) -> None:
        """Keeps what is about to be given."""
        self._write(
            [pymongo.UpdateOne(unanswered(claim), {"$set": answered(given)}) for claim, given in answers]
        )

    def release(self, claims: Sequence[Claim]) -> None:
        """Gives keys back of which nothing was written."""
        self._write([pymongo.DeleteOne(unanswered(claim)) for claim in claims])

    def unanswered(self, most: int) -> list[Claim]:
        """Those that are being worked on, or were left behind; the oldest first."""
        with self._translating():
            found = self._claims.find({"is_answered": False}).sort("time", pymongo.ASCENDING).limit(most)
            return [from_document(document) for document in found]

    def forget(self, before: datetime) -> int:
        """Removes answered claims of an earlier time; returns how many."""
        with self._translating():
            found = self._claims.delete_many({"is_answered": True, "time": {"$lt": before}})
            return int(found.deleted_count)

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def _write(self, writes: Sequence[Write]) -> None:
        """Returns when all are on disk; each changes something once, however often it is written.

        A server may wait for its disk once a write, so only the last one asks it to: MongoDB's log is
        sequential. One that was started anew in between may have lost the others.
        """
        *others, last = writes
        with self._translating():
            if not others:
                self._claims.bulk_write([last])
                return
            life = server_life(self._client)
            while True:
                self._unsynced.bulk_write(others, ordered=False)
                self._claims.bulk_write([last])
                former, life = life, server_life(self._client)
                if life == former:
                    return

    def _taken(self, error: errors.BulkWriteError, claims: Sequence[Claim]) -> set[str]:
        """The ids that others had before; any other failure is raised."""
        failures = error.details.get("writeErrors", [])
        others = [each for each in failures if each.get("code") != DUPLICATE_KEY]
        if others or error.details.get("writeConcernErrors"):
            problem = str(others[0].get("errmsg", "")) if others else "the write is not on disk"
            raise StoreUnavailable(STORE, addresses(self._client), problem) from error
        return {claims[each["index"]].id for each in failures}

    def _index(self) -> None:
        """Finds what is old, and what was left behind, without reading all of it."""
        if not self._is_indexed:
            self._claims.create_index([("is_answered", pymongo.ASCENDING), ("time", pymongo.ASCENDING)])
            self._is_indexed = True

    @property
    def _claims(self) -> Collection[Document]:
        """Each command returns when it is on disk."""
        return self._unsynced.with_options(write_concern=ON_DISK)

    @property
    def _unsynced(self) -> Collection[Document]:
        return self._client[self._database].get_collection(COLLECTION, codec_options=AWARE)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except errors.PyMongoError as error:
            raise translated(self._client, error, COLLECTION) from error
