"""What became of all messages of a soak, without holding them in memory: counts of rows and letters, and
the newest value of every signal."""

from typing import Any

from pymongo import MongoClient

from tests.faults.rig.site import DATABASE, Load, Site
from tests.faults.rig.traffic import DEAD_LETTERS, Value
from tests.faults.rig.verdict import read_committed


def totals(site: Site, load: Load) -> dict[str, Any]:
    """Counts of what is there against what was sent."""
    newest, rejected = _truth(load)
    rows, places, refused = _rows(site)
    letters = sum(
        1 for topic in set(DEAD_LETTERS.values()) for _ in read_committed(site.kafka.address, topic)
    )
    wrong = _wrong_states(site, newest)
    sent = load.spec.count
    return {
        "ok": (rows, places, refused, letters, wrong) == (sent, sent, rejected, rejected, 0),
        "sent": sent,
        "rows": rows,
        "distinct_places": places,
        "rejected_by_truth": rejected,
        "rejected_in_bronze": refused,
        "dead_letters": letters,
        "states": len(newest),
        "states_wrong": wrong,
    }


def _truth(load: Load) -> tuple[dict[tuple[str, str], Value], int]:
    newest: dict[tuple[str, str], Value] = {}
    rejected = 0
    for number in range(load.spec.first, load.spec.first + load.spec.count):
        message = load.traffic.message(number)
        rejected += message.reason is not None
        for value in message.values:
            key = (message.vehicle, value.signal)
            known = newest.get(key)
            if known is None or (value.time_us, value.value) > (known.time_us, known.value):
                newest[key] = value
    return newest, rejected


def _rows(site: Site) -> tuple[int, int, int]:
    """Rows, distinct places and rejected rows of bronze, by the product's own reader of SQL."""
    sql = (
        'select count(*) as n, count(distinct (topic_id, partition, "offset")) as places, '
        "count(error) as refused from bronze.events"
    )
    text = site.command("sql", sql, "--format", "csv", timeout=1800).stdout.splitlines()[-1]
    n, places, refused = map(int, text.split(","))
    return n, places, refused


def _wrong_states(site: Site, newest: dict[tuple[str, str], Value]) -> int:
    client: MongoClient[dict[str, Any]] = MongoClient(site.mongo.uri)
    try:
        found = {document["_id"]: document["s"] for document in client[DATABASE]["vehicle_state"].find()}
    finally:
        client.close()
    wrong = 0
    for (vehicle, signal), value in newest.items():
        has = found.get(vehicle, {}).get(signal)
        wrong += has is None or (has["t"], float(has["v"])) != (value.time_us, value.value)
    return wrong
