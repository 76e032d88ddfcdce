"""Alerts as people are shown them: opened or resolved, the newest first. Whoever evaluates them writes them;
here they are only read."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pymongo import errors

from lake.alert_store import NEWEST_FIRST
from lake.mongo import Client, open_client, translated
from lake.settings import MongoSettings

COLLECTION = "alerts"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. Times are microseconds since the epoch."""

    alert_id: str
    rule: str
    vehicle_id: str | None
    state: str
    opened_us: int
    resolved_us: int | None
    value: float | str | None
    summary: str


class AlertReader:
    """Safe to share between threads."""

    def __init__(self, settings: MongoSettings, *, client: Client | None = None) -> None:
        self._settings = settings
        self._client = client or open_client(settings)
        self._owns_client = client is None

    def page(
        self,
        *,
        state: str | None,
        vehicles: Collection[str] | None,
        before: tuple[int, str] | None,
        limit: int,
    ) -> list[Alert]:
        """The next alerts behind one, by (opened, id) from the newest on; only those of some vehicles where
        given."""
        collection = self._client[self._settings.database][COLLECTION]
        try:
            found = collection.find(wanted(state, vehicles, before)).sort(list(NEWEST_FIRST)).limit(limit)
            return [_alert(each) for each in found]
        except errors.PyMongoError as error:
            raise translated(self._client, error, COLLECTION) from error

    def close(self) -> None:
        if self._owns_client:
            self._client.close()


def wanted(
    state: str | None, vehicles: Collection[str] | None, before: tuple[int, str] | None
) -> dict[str, Any]:
    """The alerts of a list that are behind one of it, as MongoDB is asked for them."""
    found: dict[str, Any] = {}
    if state is not None:
        found["state"] = state
    if vehicles is not None:
        found["vehicle_id"] = {"$in": sorted(vehicles)}
    if before is not None:
        opened, alert_id = before
        found["opened_us"] = {"$lte": opened}  # a bound for the index, which `$or` is not
        found["$or"] = [{"opened_us": {"$lt": opened}}, {"opened_us": opened, "_id": {"$lt": alert_id}}]
    return found


def _alert(found: dict[str, Any]) -> Alert:
    resolved, value = found.get("resolved_us"), found.get("value")
    return Alert(
        alert_id=str(found["_id"]),
        rule=str(found.get("rule", "")),
        vehicle_id=found.get("vehicle_id"),
        state=str(found.get("state", "")),
        opened_us=int(found.get("opened_us", 0)),
        resolved_us=None if resolved is None else int(resolved),
        value=value if value is None or isinstance(value, str) else float(value),
        summary=str(found.get("summary", "")),
    )
