"""Alerts in MongoDB, and what their rules remember of each vehicle: one document a vehicle, written only
where it is still as it was read. So whoever judges a vehicle, and however many do at once, their steps stand
one behind the other; and what a step is to tell is part of it, until it was told.

Times are microseconds since the epoch. What is remembered is a text of the writer's; this file does not read
it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, Self
from uuid import uuid4

import pymongo
from pymongo import WriteConcern, errors
from pymongo.collection import Collection

from lake.errors import StateNotWritten, StateRefused
from lake.mongo import DUPLICATE_KEY, RETRYABLE_CODES, Client, Document, open_client, translated
from lake.settings import MongoSettings
from lake.state import EMBEDDED

TRACKS: Final = "alert_tracks"
ALERTS: Final = "alerts"
PROGRESS: Final = "alert_progress"
ON_DISK: Final = WriteConcern(w="majority", j=True)
"""Group offsets follow these writes: a server that is killed behind them has them."""

FAR_US: Final = 2**62
"""Instead of a time that never comes: a number is found by one index."""

TOLD_AFTER_US: Final = 5_000_000
"""What was not told by then, its writer was killed: whoever looks for what is due tells it."""

NEWEST_FIRST: Final = (("opened_us", -1), ("_id", -1))
LISTED_BY: Final = ((), ("state",), ("vehicle_id",))
"""Each list of alerts is read in its order by an index of its own: a page costs what it shows, however many
alerts there are. An alert is written twice in its life; that is what the indexes cost."""

RULES: Final = "rules"
State = Literal["open", "resolved"]


@dataclass(frozen=True, slots=True)
class StoredTrack:
    """One vehicle as it was read; revision 0 where there is nothing of it yet."""

    vehicle_id: str
    revision: int = 0
    text: str = ""
    effects: tuple[Document, ...] = ()
    """What its last step has not told yet, as far as is known."""


@dataclass(frozen=True, slots=True)
class TrackWrite:
    """The next step of a vehicle."""

    before: StoredTrack
    text: str
    due_now_us: int | None
    due_clock_us: int | None
    effects: Sequence[Document] = ()

    @property
    def after(self) -> StoredTrack:
        """What is stored once it landed."""
        return StoredTrack(self.before.vehicle_id, self.before.revision + 1, self.text, tuple(self.effects))


class AlertStore:
    """The collections of one database. Safe to share between threads."""

    def __init__(self, settings: MongoSettings, *, client: Client | None = None) -> None:
        self.settings = settings
        self.client = client or open_client(settings)
        self._owns_client = client is None

    def ensure_indexes(self) -> None:
        """Creates what look-ups need. Idempotent. The embedded server has none for tracks: an index costs it
        more with every update (500 of 5,000 documents took 2.4 s instead of 0.5) than a look at all."""
        with self._translating(TRACKS):
            if EMBEDDED not in self.client[self.settings.database].command("buildInfo"):
                self._collection(TRACKS).create_index("due_now_us")
                self._collection(TRACKS).create_index("due_clock_us")
            for chosen in LISTED_BY:
                self._collection(ALERTS).create_index([*((name, 1) for name in chosen), *NEWEST_FIRST])

    # -- what is remembered -------------------------------------------------------------------------------

    def read(self, vehicle_ids: Sequence[str]) -> dict[str, StoredTrack]:
        """Every vehicle that was asked for, known or not."""
        with self._translating(TRACKS):
            found = self._collection(TRACKS).find({"_id": {"$in": list(vehicle_ids)}})
            known = {document["_id"]: _track(document) for document in found}
        return {vehicle: known.get(vehicle) or StoredTrack(vehicle) for vehicle in vehicle_ids}

    def due(self, now_us: int, clock_us: int, most: int) -> list[StoredTrack]:
        """Vehicles for which time may bring a change, or whose last step was not told."""
        due = [{"due_now_us": {"$lte": now_us}}, {"due_clock_us": {"$lte": clock_us}}]
        with self._translating(TRACKS):
            return [_track(found) for found in self._collection(TRACKS).find({"$or": due}).limit(most)]

    def write(self, writes: Sequence[TrackWrite], now_us: int) -> set[str]:
        """Each vehicle's step, where it is still as it was read; returns whose steps landed. After an error
        any of them may have: read them again."""
        if not writes:
            return set()
        mark = uuid4().hex
        try:
            result = self._collection(TRACKS).bulk_write(
                [_operation(write, mark, now_us) for write in writes], ordered=False
            )
            if result.matched_count + result.inserted_count == len(writes):
                return {write.before.vehicle_id for write in writes}
        except errors.BulkWriteError as error:
            self._raise_unless_met(error, len(writes))
        except errors.PyMongoError as error:
            raise translated(self.client, error, TRACKS) from error
        with self._translating(TRACKS):
            ids = [write.before.vehicle_id for write in writes]
            landed = self._collection(TRACKS).find({"_id": {"$in": ids}, "by": mark}, {"_id": 1})
            return {document["_id"] for document in landed}

    def told(self, writes: Sequence[TrackWrite]) -> None:
        """The effects of these steps are done; of a vehicle that went on since, nothing changes."""
        operations = [
            pymongo.UpdateOne(
                {"_id": write.before.vehicle_id, "rev": write.before.revision + 1},
                {"$set": {"effects": [], "due_now_us": _far(write.due_now_us)}},
            )
            for write in writes
        ]
        if operations:
            with self._translating(TRACKS):
                self._collection(TRACKS).bulk_write(operations, ordered=False)

    def begin_with(self, digest: str) -> bool:
        """Whether other rules were in force before; then every vehicle is due, to be judged by these."""
        with self._translating(PROGRESS):
            known = self._collection(PROGRESS).find_one({"_id": RULES}) or {}
            if known.get("digest") == digest:
                return False
            self._collection(TRACKS).update_many({}, {"$set": {"due_clock_us": 0}})
            self._collection(PROGRESS).update_one({"_id": RULES}, {"$set": {"digest": digest}}, upsert=True)
            return True

    # -- alerts -------------------------------------------------------------------------------------------

    def apply(self, effects: Iterable[Document], now_us: int) -> None:
        """Opens and resolves alerts, in the order given. Done again it changes nothing."""
        operations = [_alert_operation(effect, now_us) for effect in effects]
        if operations:
            with self._translating(ALERTS):
                self._collection(ALERTS).bulk_write(operations, ordered=True)

    def alert(self, alert_id: str) -> Document | None:
        """One alert."""
        with self._translating(ALERTS):
            return self._collection(ALERTS).find_one({"_id": alert_id})

    def alerts(self, state: State | None = None, most: int = 1000) -> list[Document]:
        """The newest alerts first."""
        wanted = {} if state is None else {"state": state}
        with self._translating(ALERTS):
            return list(self._collection(ALERTS).find(wanted).sort(list(NEWEST_FIRST)).limit(most))

    def open_of_webhook(self, webhook: str, most: int) -> list[Document]:
        """Open alerts that a webhook is told of."""
        with self._translating(ALERTS):
            return list(self._collection(ALERTS).find({"state": "open", "webhooks": webhook}).limit(most))

    def forget_resolved(self, before_us: int) -> int:
        """Removes alerts whose end was written before; returns how many."""
        with self._translating(ALERTS):
            wanted = {"state": "resolved", "written_us": {"$lt": before_us}}
            return int(self._collection(ALERTS).delete_many(wanted).deleted_count)

    # -- how far the sources were read --------------------------------------------------------------------

    def report_read(self, until_us: Mapping[str, int]) -> None:
        """Every message of a partition before that time was taken."""
        operations = [
            pymongo.UpdateOne({"_id": name}, {"$max": {"read_us": time_us}}, upsert=True)
            for name, time_us in until_us.items()
        ]
        if operations:
            with self._translating(PROGRESS):
                self._collection(PROGRESS).bulk_write(operations, ordered=False)

    def read_until(self, partitions: Sequence[str]) -> int:
        """The time before which every message of all these partitions was taken; 0 while one was never
        read."""
        with self._translating(PROGRESS):
            found = self._collection(PROGRESS).find({"_id": {"$in": list(partitions)}})
            times = {document["_id"]: int(document["read_us"]) for document in found}
        return min((times.get(name, 0) for name in partitions), default=0)

    def close(self) -> None:
        """Closes the connection, unless another store lent it."""
        if self._owns_client:
            self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _collection(self, name: str) -> Collection[Document]:
        return self.client[self.settings.database].get_collection(name, write_concern=ON_DISK)

    @contextmanager
    def _translating(self, name: str) -> Iterator[None]:
        try:
            yield
        except errors.BulkWriteError as error:
            self._raise_unless_met(error, 0, name)
            raise StateNotWritten(name, 0, "two writers met") from error
        except errors.PyMongoError as error:
            raise translated(self.client, error, name) from error

    def _raise_unless_met(self, error: errors.BulkWriteError, operations: int, name: str = TRACKS) -> None:
        """Nothing is wrong where two met at a new document: one of them has it."""
        details: Mapping[str, Any] = error.details or {}
        failed = [each for each in details.get("writeErrors", []) if each.get("code") != DUPLICATE_KEY]
        refused = [each for each in failed if each.get("code") not in RETRYABLE_CODES]
        if refused:
            raise StateRefused(name, (), refused[0].get("code"), refused[0].get("errmsg", "")) from error
        problems = [*failed, *details.get("writeConcernErrors", [])]
        if problems:
            text = "; ".join(str(each.get("errmsg", "")) for each in problems[:3])
            raise StateNotWritten(name, operations, text) from error


def _track(document: Document) -> StoredTrack:
    effects = tuple(document.get("effects", ()))
    return StoredTrack(document["_id"], int(document["rev"]), document["text"], effects)


def _operation(write: TrackWrite, mark: str, now_us: int) -> Any:
    due_now_us = _far(write.due_now_us)
    fields = {
        "rev": write.before.revision + 1,
        "by": mark,
        "text": write.text,
        "effects": list(write.effects),
        "due_now_us": min(due_now_us, now_us + TOLD_AFTER_US) if write.effects else due_now_us,
        "due_clock_us": _far(write.due_clock_us),
    }
    if write.before.revision == 0:
        return pymongo.InsertOne({"_id": write.before.vehicle_id, **fields})
    here = {"_id": write.before.vehicle_id, "rev": write.before.revision}
    return pymongo.UpdateOne(here, {"$set": fields})


def _alert_operation(effect: Document, now_us: int) -> Any:
    if effect["event"] == "resolved":
        here = {"_id": effect["alert_id"], "state": "open"}
        change = {"state": "resolved", "resolved_us": effect["at_us"], "written_us": now_us}
        return pymongo.UpdateOne(here, {"$set": change})
    fields = {
        "rule": effect["rule"],
        "vehicle_id": effect["vehicle_id"],
        "state": "open",
        "opened_us": effect["opened_us"],
        "resolved_us": None,
        "value": effect["value"],
        "summary": effect["summary"],
        "severity": effect["severity"],
        "webhooks": effect["webhooks"],
        "written_us": now_us,
    }
    return pymongo.UpdateOne({"_id": effect["alert_id"]}, {"$setOnInsert": fields}, upsert=True)


def _far(time_us: int | None) -> int:
    return FAR_US if time_us is None else time_us
