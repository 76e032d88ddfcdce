"""What webhooks are to be told, in MongoDB until each was: a delivery is leased to one process at a time, so
that a process that is killed takes none with it, and two do not send the same at once. Times are microseconds
since the epoch."""

from collections.abc import Collection as Names
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import pymongo
from pymongo import ReturnDocument, errors
from pymongo.collection import Collection

from lake.alert_store import ON_DISK
from lake.errors import StateNotWritten
from lake.mongo import Client, Document, translated
from lake.settings import MongoSettings

DELIVERIES: Final = "alert_deliveries"
BEHIND_US: Final = 500_000
"""How long a delivery waits for the one that goes before it."""

Outcome = Literal["waiting", "delivered", "given_up"]


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """To be added. `after` is the delivery that must have had its outcome before."""

    id: str
    webhook: str
    event: str
    alert: Document
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One that is leased; `tries` counts this one."""

    id: str
    webhook: str
    event: str
    alert: Document
    tries: int
    created_us: int


class AlertOutbox:
    """The deliveries of one database. Safe to share between threads."""

    def __init__(self, settings: MongoSettings, client: Client) -> None:
        self._settings, self._client = settings, client

    def ensure_indexes(self) -> None:
        """Creates what look-ups need. Idempotent."""
        with self._translating():
            self._deliveries.create_index([("webhook", 1), ("state", 1), ("due_us", 1)])
            self._deliveries.create_index("alert.alert_id")

    def add(self, deliveries: Iterable[NewDelivery], now_us: int) -> None:
        """Puts them in; one that is there already stays as it is."""
        operations = [
            pymongo.UpdateOne({"_id": each.id}, {"$setOnInsert": _fields(each, now_us)}, upsert=True)
            for each in deliveries
        ]
        if operations:
            with self._translating():
                self._deliveries.bulk_write(operations, ordered=False)

    def claim(self, webhook: str, now_us: int, lease_us: int, owner: str) -> Delivery | None:
        """The next one that is due, for so long; None while there is none. One whose predecessor has no
        outcome yet waits behind it."""
        due = {"$lte": now_us}
        with self._translating():
            while True:
                found = self._deliveries.find_one_and_update(
                    {"webhook": webhook, "state": "waiting", "due_us": due, "lease_us": due},
                    {"$set": {"lease_us": now_us + lease_us, "owner": owner}, "$inc": {"tries": 1}},
                    sort=[("due_us", 1), ("_id", 1)],
                    return_document=ReturnDocument.AFTER,
                )
                if found is None or not self._waits_behind(found, now_us):
                    return None if found is None else _delivery(found)

    def delivered(self, delivery: Delivery, now_us: int) -> None:
        """It was answered. True whoever holds the lease by now."""
        self._end({"_id": delivery.id}, "delivered", now_us, None)

    def postpone(self, delivery: Delivery, owner: str, due_us: int, reason: str) -> None:
        """It failed, and is tried again."""
        here = {"_id": delivery.id, "owner": owner, "state": "waiting"}
        change = {"due_us": due_us, "lease_us": 0, "last_error": reason}
        with self._translating():
            self._deliveries.update_one(here, {"$set": change})

    def give_up(self, delivery: Delivery, owner: str, now_us: int, reason: str) -> None:
        """It stays for a person: `fleetlake alerts redrive`."""
        self._end({"_id": delivery.id, "owner": owner}, "given_up", now_us, reason)

    def give_up_others(self, webhooks: Names[str], created_before_us: int, now_us: int) -> int:
        """Those of webhooks that are in no file any more; returns how many."""
        here = {
            "state": "waiting",
            "webhook": {"$nin": sorted(webhooks)},
            "created_us": {"$lt": created_before_us},
        }
        change = {"state": "given_up", "ended_us": now_us, "last_error": "the rules have no such webhook"}
        with self._translating():
            return int(self._deliveries.update_many(here, {"$set": change}).modified_count)

    def redrive(self, ids: Sequence[str], now_us: int) -> int:
        """Those that were given up are due again, all of them without ids, as if they were new; returns how
        many. An id is that of a delivery or of an alert."""
        here: Document = {"state": "given_up"}
        if ids:
            here["$or"] = [{"_id": {"$in": list(ids)}}, {"alert.alert_id": {"$in": list(ids)}}]
        change = {"state": "waiting", "due_us": now_us, "lease_us": 0, "created_us": now_us, "tries": 0}
        with self._translating():
            return int(self._deliveries.update_many(here, {"$set": change}).modified_count)

    def of_alerts(self, alert_ids: Sequence[str]) -> dict[str, list[Document]]:
        """What became of the deliveries of alerts, by alert."""
        by_alert: dict[str, list[Document]] = {}
        with self._translating():
            for found in self._deliveries.find({"alert.alert_id": {"$in": list(alert_ids)}}).sort("_id", 1):
                by_alert.setdefault(found["alert"]["alert_id"], []).append(found)
        return by_alert

    def count(self, state: Outcome) -> int:
        """How many have come to that."""
        with self._translating():
            return int(self._deliveries.count_documents({"state": state}))

    def forget(self, ended_before_us: int) -> int:
        """Removes those that had their outcome before; returns how many."""
        wanted = {"state": {"$in": ["delivered", "given_up"]}, "ended_us": {"$lt": ended_before_us}}
        with self._translating():
            return int(self._deliveries.delete_many(wanted).deleted_count)

    def _waits_behind(self, found: Document, now_us: int) -> bool:
        if found["after"] is None:
            return False
        if self._deliveries.find_one({"_id": found["after"], "state": "waiting"}, {"_id": 1}) is None:
            return False
        change = {"$set": {"due_us": now_us + BEHIND_US, "lease_us": 0}, "$inc": {"tries": -1}}
        self._deliveries.update_one({"_id": found["_id"], "owner": found["owner"]}, change)
        return True

    def _end(self, here: Document, state: Outcome, now_us: int, reason: str | None) -> None:
        change = {"state": state, "ended_us": now_us, "last_error": reason}
        with self._translating():
            self._deliveries.update_one({**here, "state": "waiting"}, {"$set": change})

    @property
    def _deliveries(self) -> Collection[Document]:
        return self._client[self._settings.database].get_collection(DELIVERIES, write_concern=ON_DISK)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except errors.BulkWriteError as error:  # upserts by id: those that failed may be put in again
            raise StateNotWritten(DELIVERIES, 0, str(error)) from error
        except errors.PyMongoError as error:
            raise translated(self._client, error, DELIVERIES) from error


def _fields(new: NewDelivery, now_us: int) -> dict[str, Any]:
    return {
        "webhook": new.webhook,
        "event": new.event,
        "alert": new.alert,
        "after": new.after,
        "state": "waiting",
        "created_us": now_us,
        "due_us": now_us,
        "lease_us": 0,
        "owner": "",
        "tries": 0,
        "last_error": None,
        "ended_us": None,
    }


def _delivery(found: Document) -> Delivery:
    return Delivery(
        id=found["_id"],
        webhook=found["webhook"],
        event=found["event"],
        alert=found["alert"],
        tries=int(found["tries"]),
        created_us=int(found["created_us"]),
    )
