"""The state as a server reads it, for many clients: one vehicle, a page of vehicles, and what was written
since a moment, by an index on the written time. A rebuild puts a collection without that index in this
one's place: whoever follows the changes ensures it again and again."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pymongo
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection

from lake.errors import StateUnreadable
from lake.state import READ_BATCH, StateStore
from lake.state_model import VehicleState, from_document

WRITTEN_INDEX = "written"
Written = RawBSONDocument
"""A state as it was written, not decoded yet."""


class StateReader(StateStore):
    """Reads only. Safe to share between threads."""

    def ensure_index(self) -> None:
        """Lets `changed` be answered from an index. Idempotent, and quick where it is there."""
        with self._translating():
            self._collection.create_index([("u", pymongo.ASCENDING)], name=WRITTEN_INDEX)

    def some(self, vehicle_ids: Sequence[str]) -> dict[str, VehicleState]:
        """The states of those vehicles that have one; a document that nobody can read is none."""
        with self._translating():
            found = self._collection.find({"_id": {"$in": list(vehicle_ids)}}, batch_size=READ_BATCH)
            return {state.vehicle_id: state for state in _readable(found)}

    def page(self, after: str | None, limit: int) -> list[VehicleState]:
        """The next vehicles behind an id, in the order of the UTF-8 bytes of their ids."""
        beyond: dict[str, Any] = {} if after is None else {"_id": {"$gt": after}}
        with self._translating():
            found = self._collection.find(beyond, batch_size=READ_BATCH)
            return list(_readable(found.sort("_id", 1).limit(limit)))

    def every(self, signals: Sequence[str]) -> list[VehicleState]:
        """All vehicles, with some of their signals, in no order; a document that nobody can read is left out.

        Whole documents are read, and only what is asked for is decoded: the embedded server takes five times
        as long where it has to leave fields out.
        """
        with self._translating():
            found = self._raw.find({}, batch_size=READ_BATCH)
            return list(_readable(_cut(document, signals) for document in found))

    def newest_us(self) -> int:
        """When a state was written last; 0 where none was."""
        with self._translating():
            found = self._collection.find_one({}, {"u": 1}, sort=[("u", pymongo.DESCENDING)])
        return 0 if found is None else int(found.get("u", 0))

    def changed(self, after_us: int, limit: int) -> list[Written]:
        """States that were written after a moment, the oldest first, undecoded: most of those read again were
        seen before."""
        with self._translating():
            found = self._raw.find({"u": {"$gt": Int64(after_us)}}, batch_size=READ_BATCH)
            return list(found.sort("u", 1).limit(limit))

    @property
    def _raw(self) -> "Collection[Written]":
        options: Any = self._collection.codec_options.with_options(document_class=RawBSONDocument)
        return self._collection.with_options(codec_options=options)


def decoded(document: Written, signals: Sequence[str] | None = None) -> VehicleState | None:
    """The state that a document holds, with some of its signals where they are named; None where nobody can
    read it."""
    with suppress(StateUnreadable):
        return from_document(document if signals is None else _cut(document, signals))
    return None


def _cut(document: Written, signals: Sequence[str]) -> Mapping[str, Any]:
    held = document.get("s", {})
    return {
        "_id": document["_id"],
        "u": document.get("u", 0),
        "s": {n: held[n] for n in signals if n in held},
    }


def _readable(documents: Any) -> Iterator[VehicleState]:
    for document in documents:
        with suppress(StateUnreadable):
            yield from_document(document)
