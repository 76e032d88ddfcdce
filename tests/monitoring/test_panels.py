"""Every panel of every dashboard gives rows: its query is asked of a real Prometheus that scrapes all
services, or of the read API over a small lake. `-s` prints the rows of each."""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from broker.settings import KafkaSettings
from broker.topics import Topics, specs_from
from contracts.load import load_registry
from ingest.process import Ticker
from lake.settings import LakeSettings, MongoSettings
from tests.deadlines import eventually
from tests.ingest.alerts.hook_server import HookServer
from tests.monitoring.dashboards import API, PROMETHEUS, Asked, grafana_rules, queries, table, variables
from tests.monitoring.infinity import Row, ask
from tests.monitoring.real_site import real_site
from tests.monitoring.servers import need_prometheus, prometheus, read, samples, write
from tests.serving.scene import NOON, YESTERDAY, Scene, api, drive, settings_of

pytestmark = pytest.mark.slow

RATE_INTERVAL = "15s"
DEADLINE_S = 60.0
SPAN = {"__from": "2026-03-08T00:00:00.000Z", "__to": "2026-03-11T00:00:00.000Z"}
MAY_BE_EMPTY = frozenset({"fleet", "model", "energy (kWh)", "power, at most (kW)", "current", "rows per s"})
"""Columns of which vehicles of the scene say nothing, and a rate that the first look does not know."""


def every_second(rules: Any) -> Any:
    """The shipped rules, with fresh results at once."""
    for group in rules["groups"]:
        group["interval"] = "1s"
    return rules


def configuration(addresses: Mapping[str, str]) -> dict[str, Any]:
    """As shipped, with addresses in place of names."""
    jobs = {"fleetlake": ("history", "state", "routes", "alerts"), "fleetlake-http": ("gateway", "api")}
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [
                    {"targets": [addresses[name]], "labels": {"service": name}} for name in names
                ],
            }
            for job, names in jobs.items()
        ],
    }


def test_every_panel_over_metrics_shows_numbers(
    pytestconfig: pytest.Config,
    kafka_settings: KafkaSettings,
    mongo_settings: MongoSettings,
    lake_settings: LakeSettings,
    tmp_path: Path,
    hook: HookServer,
) -> None:
    """Each query gives series within a minute, all of them finite."""
    need_prometheus(pytestconfig)
    asked = {each.name: each.target["expr"] for each in queries(PROMETHEUS)}
    asked |= {
        f"alert of Grafana | {rule['title']}": expr for rule in grafana_rules() if (expr := expression(rule))
    }
    write(every_second(read("prometheus/rules.yml")), tmp_path / "prometheus" / "rules.yml")
    rows: dict[str, int] = {}
    empty: list[str] = []
    with (
        real_site(kafka_settings, mongo_settings, lake_settings, tmp_path, hook.url) as addresses,
        prometheus(tmp_path / "prometheus", configuration(addresses)) as address,
    ):
        again = Ticker(1.0)

        def all_show() -> bool:
            if not again.due():
                return False
            for name in asked.keys() - rows.keys():
                found = samples(address, asked[name].replace("$__rate_interval", RATE_INTERVAL))
                if found and all(math.isfinite(float(each["value"][1])) for each in found):
                    rows[name] = len(found)
            empty[:] = sorted(asked.keys() - rows.keys())
            return not empty

        try:
            eventually(all_show, DEADLINE_S)
        except AssertionError:
            pytest.fail(f"nothing, or nothing finite: {empty}")
    print(table({name: rows[name] for name in asked}))  # noqa: T201 - what was shown


def expression(rule: Mapping[str, Any]) -> str | None:
    """What a rule of Grafana asks Prometheus."""
    model: Mapping[str, Any] = rule["data"][0]["model"]
    return model.get("expr")


@pytest.fixture
def client(
    tmp_path: Path,
    lake_settings: LakeSettings,
    mongo_settings: MongoSettings,
    kafka_settings: KafkaSettings,
) -> Iterator[httpx.Client]:
    """The read API over a fleet that drives, charges, breaks rules and sends nonsense."""
    Topics(kafka_settings).create(specs_from(load_registry(), kafka_settings))
    scene = Scene(settings_of(tmp_path, lake_settings, mongo_settings, kafka=kafka_settings))
    for vehicle in ("N1", "S1"):
        scene.land(*drive(vehicle, YESTERDAY), at=YESTERDAY)
        scene.land((vehicle, YESTERDAY + timedelta(hours=5), {"speed": 200.0}), at=YESTERDAY)
        charging = [
            (
                vehicle,
                YESTERDAY + timedelta(hours=6, minutes=minute),
                {"charge_state": state, "soc": 40.0 + minute, "latitude": 52.5, "longitude": 13.4},
            )
            for minute, state in ((0, "charging"), (20, "charging"), (30, "complete"))
        ]
        scene.land(*charging, at=YESTERDAY)
        place = {"latitude": 52.0, "longitude": 13.0}
        scene.write(vehicle, {"speed": 50.0, "soc": 80.0, "ignition": 1.0, **place})
    now = datetime.now(UTC)
    scene.land(("N1", now, {}), at=now, error="bad_time")
    scene.build(
        "gold.signal_minute", "gold.trips", "gold.charging_sessions", "gold.anomalies", "gold.signal_quality"
    )
    alert = {
        "_id": "alert-1",
        "rule": "too_fast",
        "vehicle_id": "N1",
        "state": "open",
        "opened_us": int(NOON.timestamp() * 1_000_000),
        "resolved_us": None,
        "value": 200.0,
        "summary": "faster than 180 km/h",
    }
    with MongoClient[dict[str, Any]](mongo_settings.uri) as mongo:
        mongo[mongo_settings.database]["alerts"].insert_one(alert)
    with api(scene.settings) as opened:
        yield opened
    scene.state.close()


def test_every_panel_over_the_read_api_shows_rows(client: httpx.Client) -> None:
    """Of each column, in its type, and with values in it; variables have choices."""
    values, rows = dict(SPAN), dict[str, int]()
    for name, query in variables():
        found = ask(client, query, values)
        assert found, name
        rows[f"variable | {name}"] = len(found)
        values.setdefault(name, next(iter(found[0].values())))
    for asked in queries(API):
        rows[asked.name] = rows_shown(asked.name, ask(client, asked.target, values))
    for rule in grafana_rules():
        if expression(rule) is None:
            asked = Asked("alert of Grafana", rule["title"], rule["data"][0]["model"])
            rows[asked.name] = rows_shown(asked.name, ask(client, asked.target, values))
    print(table(rows))  # noqa: T201 - what was shown


def rows_shown(name: str, rows: list[Row]) -> int:
    """How many; none, and a column without any value, are failures."""
    assert rows, name
    for column in rows[0].keys() - MAY_BE_EMPTY:
        assert any(row[column] is not None for row in rows), f"{name}: nothing in {column}"
    return len(rows)
