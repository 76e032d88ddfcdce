"""The gateway and the read API in the local stack: what is posted is history and state, on the page too."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.deadlines import eventually
from tests.fleetlake.conftest import StackUnderTest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SEEN_SECONDS = 30.0


def event() -> dict[str, Any]:
    return {
        "sensor_id": "sensor_1",
        "timestamp": datetime.now(UTC).isoformat(),
        "temperature": 25.4,
        "humidity": 60.2,
        "location": {"latitude": 12.97, "longitude": 77.59},
    }


def test_what_is_posted_is_history_and_state(stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its receipt is the place of its row; the stack gives the addresses, and `down` ends both in order."""
    monkeypatch.setenv("FLEETLAKE_HTTP__IN_STACK", "true")
    told = stack.up()
    status = json.loads(stack.command("status", "--json").stdout)
    gateway, api = status["gateway"], status["api"]
    assert f"gateway {gateway}" in told
    assert f"api    {api}  (the live page" in told
    for address in (gateway, api):
        eventually(lambda address=address: answers(f"{address}/ready"), SEEN_SECONDS)
    answer = httpx.post(f"{gateway}/ingest", json=event())
    assert answer.status_code == 202, answer.text
    (receipt,) = answer.json()["receipts"]
    eventually(lambda: temperature(api) == 25.4, SEEN_SECONDS)
    assert stack.command("wait").returncode == 0
    sql = 'select vehicle_id, topic, partition, "offset" from bronze.events'
    rows = json.loads(stack.command("sql", sql, "--format", "json").stdout)
    place = {name: receipt[name] for name in ("topic", "partition", "offset")}
    assert rows == [{"vehicle_id": "sensor_1", **place}]
    assert "<title>" in httpx.get(f"{api}/").text
    stack.down()
    ended = [each for each in stack.log_events() if each["event"] == "process_stopped"]
    assert {each["process"]: each["exit_code"] for each in ended}.items() >= {("gateway", 0), ("api", 0)}


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def temperature(api: str) -> float | None:
    answer = httpx.get(f"{api}/vehicles/sensor_1/state")
    found = {each["signal"]: each["value"] for each in answer.json().get("signals", ())}
    return found.get("temperature")
