"""What a deployment must be able to do, asked from outside: by HTTP, and by the commands of `fleetlake`."""

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from infra.rehearsal.running import Failed, Running
from infra.rehearsal.stage import Stage

COMMAND_SECONDS = 180.0
POLL_SECONDS = 0.5
EVENT = {"sensor_id": "rehearsal", "timestamp": "2026-02-28T10:00:00Z", "temperature": 21.5}


@dataclass(frozen=True)
class Deployment:
    """What runs, and the secrets that open it."""

    stage: Stage
    init: Running
    """Whose environment commands get."""
    secrets: Mapping[str, str]

    def command(self, *words: str) -> str:
        """What `fleetlake ...` printed; Failed where it failed."""
        done = subprocess.run(
            self.stage.command(self.init.service, 1, ["fleetlake", *words]),
            env=self.stage.environment(self.init.service, 1),
            cwd=self.stage.folder,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout)[-500:]
            problem = f"fleetlake {' '.join(words)}: exit code {done.returncode}: {said}"
            raise Failed(problem)
        return done.stdout

    def number(self, query: str) -> int:
        """The one number that SQL answers."""
        rows = json.loads(self.command("sql", query, "--format", "json"))
        return int(next(iter(rows[0].values())))

    def get(self, running: Running, port: int, path: str, key: str | None) -> httpx.Response:
        headers = {} if key is None else {"authorization": f"Bearer {self.secrets[key]}"}
        return httpx.get(f"http://{running.address}:{port}{path}", headers=headers, timeout=30.0)


def eventually(what: str, condition: Callable[[], bool], timeout_s: float) -> None:
    """Returns once it holds; Failed after the time. An interface that is not there yet does not hold it."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            problem = f"after {timeout_s:g} s still not so: {what}"
            raise Failed(problem)
        time.sleep(POLL_SECONDS)


def the_gateway_takes_an_event(deployment: Deployment, gateway: Running) -> None:
    """From who has a key for it, and from nobody else."""
    url = f"http://{gateway.address}:8080/ingest"
    _require("without a key the gateway answers 401", httpx.post(url, json=EVENT).status_code == 401)
    wrong = {"authorization": f"Bearer {deployment.secrets['GRAFANA_API_KEY']}"}
    _require(
        "a key that only reads is refused", httpx.post(url, json=EVENT, headers=wrong).status_code == 403
    )
    headers = {"authorization": f"Bearer {deployment.secrets['DEVICES_API_KEY']}"}
    answer = httpx.post(url, json=EVENT, headers=headers, timeout=30.0)
    _require(f"the gateway takes an event (it says {answer.status_code})", answer.status_code == 202)


def the_page_and_the_api_answer(deployment: Deployment, api: Running) -> None:
    """The page to everybody, vehicles and their state to who may read."""
    page = deployment.get(api, 8000, "/", None)
    _require("the page is served", page.status_code == 200 and "<html" in page.text)
    _require(
        "vehicles are not for everybody", deployment.get(api, 8000, "/vehicles", None).status_code == 401
    )

    def vehicles() -> list[dict[str, Any]]:
        answer = deployment.get(api, 8000, "/vehicles", "GRAFANA_API_KEY")
        found: list[dict[str, Any]] = answer.json()["vehicles"] if answer.status_code == 200 else []
        return found

    eventually("the API knows vehicles", lambda: len(vehicles()) > 0, 60.0)
    vehicle = vehicles()[0]["vehicle_id"]
    state = deployment.get(api, 8000, f"/vehicles/{vehicle}/state", "GRAFANA_API_KEY").json()
    _require(f"{vehicle} has a state", len(state["signals"]) > 0)
    eventually("the API is ready", lambda: deployment.get(api, 8000, "/ready", None).status_code == 200, 60.0)


def metrics_are_served(deployment: Deployment, running: Iterable[Running]) -> None:
    """To Prometheus, as its configuration asks for them."""
    ports = {"gateway": 8080, "api": 8000}
    for each in running:
        port = ports.get(each.service.name, 9100)
        key = "METRICS_API_KEY" if each.service.name in ports else None
        answer = deployment.get(each, port, "/metrics", key)
        _require(f"{each.name} serves metrics", answer.status_code == 200 and "fleetlake_" in answer.text)


def is_owner(deployment: Deployment, sink: Running) -> bool:
    """Whether a replica owns partitions and has read messages of them."""
    families = text_string_to_metric_families(deployment.get(sink, 9100, "/metrics", None).text)
    samples = [sample for family in families for sample in family.samples]
    has_lag = any(sample.name == "fleetlake_lag" for sample in samples)
    return has_lag and sum(each.value for each in samples if each.name == "fleetlake_records_total") > 0


def everything_arrived(deployment: Deployment, sent: int) -> dict[str, int]:
    """Every message that was acknowledged is a row, once, with its bytes; and the state is the history's.
    Returns how many rows there are."""
    deployment.command("wait", "--timeout", "120")
    rows = deployment.number("select count(*) from bronze.events")
    _require(f"{sent} messages were acknowledged, and there are {rows} rows", rows == sent)
    report = json.loads(deployment.command("audit", "--json"))
    _require(f"the audit is clean: {report}", report.get("ok", True) is True)
    return {"rows": rows, "rejected": deployment.number("select count(error) from bronze.events")}


def silver_is_made(deployment: Deployment, timeout_s: float) -> None:
    """By Dagster, unasked: its daemon looked at the lake, and its code location ran an increment."""

    def has_rows() -> bool:
        try:
            return deployment.number("select count(*) from silver.signals") > 0
        except Failed:
            return False  # there is no such table yet

    eventually("Dagster has made silver", has_rows, timeout_s)


def _require(what: str, holds: bool) -> None:
    if not holds:
        problem = f"not so: {what}"
        raise Failed(problem)
