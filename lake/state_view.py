"""The view `vehicle_latest`: one flat document a vehicle, for people and their tools."""

from typing import Any

LATEST_VIEW = "vehicle_latest"


def latest_pipeline() -> list[dict[str, Any]]:
    """{_id, vehicle_id, last_time, written_time, <signal>: value, ...}; times as dates, in milliseconds."""
    entries = {"$objectToArray": {"$ifNull": ["$s", {}]}}
    values = {"$map": {"input": entries, "as": "e", "in": {"k": "$$e.k", "v": "$$e.v.v"}}}
    newest = {"$max": {"$map": {"input": entries, "as": "e", "in": "$$e.v.t"}}}
    named = {
        "_id": "$_id",
        "vehicle_id": "$_id",
        "last_time": _date(newest),
        "written_time": _date("$u"),
    }
    return [{"$replaceRoot": {"newRoot": {"$mergeObjects": [{"$arrayToObject": values}, named]}}}]


def _date(microseconds: Any) -> dict[str, Any]:
    return {"$toDate": {"$toLong": {"$floor": {"$divide": [microseconds, 1000]}}}}
