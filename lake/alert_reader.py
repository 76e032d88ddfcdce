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
    severity: str


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
        found: list[dict[str, Any]] = []
        try:
            for question in questions(state, vehicles, before):
                if len(found) < limit:
                    newest = collection.find(question).sort(list(NEWEST_FIRST))
                    found += newest.limit(limit - len(found))
        except errors.PyMongoError as error:
            raise translated(self._client, error, COLLECTION) from error
        return [_alert(each) for each in found]

    def close(self) -> None:
        if self._owns_client:
            self._client.close()


def questions(
    state: str | None, vehicles: Collection[str] | None, before: tuple[int, str] | None
) -> list[dict[str, Any]]:
    """How MongoDB is asked for the alerts behind one, in their order. Each question is answered from an
    index; for one with `$or` the embedded server reads all alerts."""
    wanted: dict[str, Any] = {}
    if state is not None:
        wanted["state"] = state
    if vehicles is not None:
        wanted["vehicle_id"] = next(iter(vehicles)) if len(vehicles) == 1 else {"$in": sorted(vehicles)}
    if before is None:
        return [wanted]
    opened, alert_id = before
    return [
        {**wanted, "opened_us": opened, "_id": {"$lt": alert_id}},
        {**wanted, "opened_us": {"$lt": opened}},
    ]


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
        severity=str(found.get("severity", "")),
    )
