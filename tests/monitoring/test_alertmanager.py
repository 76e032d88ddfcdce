"""Who is told of what: by Alertmanager's own checker, and by a real one with Prometheus before it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.settings import KafkaSettings
from fleetlake.stack.server import LOOPBACK, free_port
from lake.settings import MongoSettings
from tests.deadlines import eventually
from tests.ingest.alerts.alert_scene import AlertScene, rules_of, running, scene_of
from tests.ingest.alerts.hook_server import HookServer
from tests.monitoring.servers import BUILT, alertmanager, checked, need_prometheus, prometheus, read, write

SECRETS = "/etc/alertmanager/secrets"
TEAMS_SINCE = (0, 28)
TOKEN = "a token of the tests"  # noqa: S105 - of nothing
FIELDS = {"webhook_url_file", "send_resolved", "title", "text"}
"""Of Teams, in Alertmanager 0.28."""


def shipped() -> dict[str, Any]:
    found: dict[str, Any] = read("alertmanager/alertmanager.yml")
    return found


def without(config: dict[str, Any], *channels: str) -> dict[str, Any]:
    """As an operator deletes what he does not have."""
    receivers = [
        {key: value for key, value in each.items() if key not in channels} for each in config["receivers"]
    ]
    return {**config, "receivers": receivers}


@pytest.fixture
def understood(pytestconfig: pytest.Config, tmp_path: Path) -> Path:
    """The file as it is shipped, without Teams where Alertmanager is older than that."""
    need_prometheus(pytestconfig)
    said = subprocess.run([BUILT / "amtool", "--version"], capture_output=True, text=True, timeout=60)
    version = tuple(int(part) for part in (said.stdout + said.stderr).split()[2].split(".")[:2])
    config = shipped() if version >= TEAMS_SINCE else without(shipped(), "msteamsv2_configs")
    return write(config, tmp_path / "alertmanager.yml")


def test_alertmanager_itself_finds_the_configuration_right(understood: Path) -> None:
    """Its syntax, and that all receivers are there."""
    assert "SUCCESS" in checked("amtool", "check-config", understood)


@pytest.mark.parametrize(
    ("severity", "receiver"),
    [("critical", "pager"), ("warning", "team"), ("info", "nobody"), ("other", "team")],
)
def test_alerts_go_to_people_by_their_severity(understood: Path, severity: str, receiver: str) -> None:
    """As Alertmanager itself routes them."""
    arguments = ["config", "routes", "test", f"--config.file={understood}", f"severity={severity}"]
    assert checked("amtool", *arguments).split() == [receiver]


def test_every_channel_is_there_and_no_secret() -> None:
    """Webhook, e-mail, Slack and Teams; secrets are files."""
    pager, team, nobody = shipped()["receivers"]
    assert pager.keys() - {"name"} == {
        "webhook_configs",
        "email_configs",
        "slack_configs",
        "msteamsv2_configs",
    }
    assert team.keys() < pager.keys()
    assert nobody == {"name": "nobody"}
    assert all(each.keys() <= FIELDS for each in pager["msteamsv2_configs"])
    text = json.dumps(shipped())
    for inline in ('"api_url"', '"webhook_url"', '"credentials"', '"smtp_auth_password"', "hooks.slack.com"):
        assert inline not in text
    assert text.count(SECRETS) >= 4


@pytest.fixture
def told(pytestconfig: pytest.Config, folder: Path, hook: HookServer) -> Iterator[str]:
    """An Alertmanager with the shipped routes, that tells the hook, and at once."""
    need_prometheus(pytestconfig)
    (folder / "webhook_token").write_text(TOKEN)
    config = without(shipped(), "msteamsv2_configs", "slack_configs", "email_configs")
    config["global"] = {}
    route = config["route"]
    for each in (route, *route["routes"]):
        each.update(group_wait="0s", group_interval="1s")
    for receiver in config["receivers"][:2]:
        receiver["webhook_configs"][0]["url"] = hook.url
    text = json.dumps(config).replace(SECRETS, str(folder))
    with alertmanager(folder, json.loads(text)) as address:
        yield address


def heard(hook: HookServer) -> list[dict[str, Any]]:
    """All alerts of all notifications."""
    return [
        {**alert, "receiver": json.loads(got.body)["receiver"]}
        for got in list(hook.got)
        for alert in json.loads(got.body)["alerts"]
    ]


@pytest.mark.slow
def test_an_alert_of_prometheus_reaches_the_webhook(told: str, hook: HookServer, tmp_path: Path) -> None:
    """A process of ours is gone: by the shipped rules and routes the pager is told, with the token."""
    rules = read("prometheus/rules.yml")
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule.pop("for", None)
    write(rules, tmp_path / "prometheus" / "rules.yml")
    gone = f"{LOOPBACK}:{free_port()}"
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [told.removeprefix("http://")]}]}]},
        "scrape_configs": [
            {
                "job_name": "fleetlake",
                "static_configs": [{"targets": [gone], "labels": {"service": "history"}}],
            }
        ],
    }
    with prometheus(tmp_path / "prometheus", config):
        eventually(lambda: any(each["labels"]["alertname"] == "FleetlakeSinkDown" for each in heard(hook)))
    (alert,) = [each for each in heard(hook) if each["labels"]["alertname"] == "FleetlakeSinkDown"][:1]
    assert alert["receiver"] == "pager"
    assert alert["annotations"]["summary"] == f"{gone} does not answer"
    assert {got.headers["Authorization"] for got in hook.got} == {f"Bearer {TOKEN}"}


@pytest.fixture
def scene(
    told: str, kafka_settings: KafkaSettings, mongo_settings: MongoSettings, topic_name: str, tmp_path: Path
) -> AlertScene:
    """Too fast above 100 km/h; Alertmanager is told."""
    rules = rules_of(told, webhooks={"ops": {"url": told, "format": "alertmanager"}})
    return scene_of(kafka_settings, mongo_settings, topic_name, tmp_path, rules)


@pytest.mark.slow
def test_an_alert_about_a_vehicle_reaches_the_webhook_through_alertmanager(
    scene: AlertScene, hook: HookServer
) -> None:
    """Opened and resolved."""
    with running(scene):
        scene.send(("v1", 0, 50.0), ("v1", 1, 142.0))
        eventually(lambda: [each["status"] for each in heard(hook)][:1] == ["firing"])
        scene.send(("v1", 2, 50.0))
        eventually(lambda: [each["status"] for each in heard(hook)][-1:] == ["resolved"])
    first, last = heard(hook)[0], heard(hook)[-1]
    assert first["labels"].items() >= {"alertname": "fast", "vehicle": "v1", "severity": "warning"}.items()
    assert first["annotations"] == {"summary": "v1 at 142", "value": "142"}
    assert last["labels"] == first["labels"]
    assert first["receiver"] == "team"
