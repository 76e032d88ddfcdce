"""The alerts about the pipeline: over metrics that exist, with a row in the runbook, and right by example."""

import re
from pathlib import Path

import pytest

from tests.monitoring.rule_file import alerts, rules, unknown_in
from tests.monitoring.servers import INFRA, checked, need_prometheus, read, write

ROOT = Path(__file__).parent.parent
FOLDER = INFRA / "prometheus"
SECRETS = "/etc/prometheus/secrets"


def test_every_metric_of_a_rule_exists() -> None:
    """By the name that docs/metrics.md has, or by another rule's."""
    assert [(rule["expr"], unknown) for rule in rules() if (unknown := unknown_in(rule["expr"]))] == []
    assert unknown_in("rate(fleetlake_lagg[5m]) + fleetlake:lagg:sum") == [
        "fleetlake_lagg",
        "fleetlake:lagg:sum",
    ]


def test_every_alert_has_a_row_in_the_runbook() -> None:
    """And the runbook has no other."""
    page = (ROOT / "docs" / "runbook.md").read_text()
    assert set(re.findall(r"^\| `(Fleetlake\w+)` \|", page, re.MULTILINE)) == {
        rule["alert"] for rule in alerts()
    }
    assert {rule["annotations"]["runbook"] for rule in alerts()} == {"docs/runbook.md#an-alert"}


def test_every_alert_has_an_example() -> None:
    """In which it fires."""
    tests = read("prometheus/rules.test.yml")["tests"]
    fired = {
        case["alertname"]
        for test in tests
        for case in test.get("alert_rule_test", [])
        if case.get("exp_alerts")
    }
    assert fired == {rule["alert"] for rule in alerts()}


def test_every_alert_has_a_severity_that_is_routed() -> None:
    """Alertmanager sends each of them its own way."""
    routes = str(read("alertmanager/alertmanager.yml")["route"]["routes"])
    for severity in {rule["labels"]["severity"] for rule in alerts()}:
        assert f'severity="{severity}"' in routes


def test_the_services_that_are_asked_have_their_metrics_port_in_the_compose_file() -> None:
    """By the names and ports of infra/prometheus/prometheus.yml."""
    asked = {
        (name, each["port"])
        for job in read("prometheus/prometheus.yml")["scrape_configs"]
        for each in job.get("dns_sd_configs", [])
        for name in each["names"]
    }
    assert {name for name, _ in asked} == {"history", "state", "routes", "alerts", "gateway", "api"}
    compose = ROOT / "docker-compose.yml"
    if not compose.is_file():
        pytest.skip("there is no compose file")
    text = compose.read_text()
    assert [name for name, _ in asked if not re.search(rf"^  {name}:", text, re.MULTILINE)] == []


def test_prometheus_itself_finds_the_rules_right(pytestconfig: pytest.Config) -> None:
    """Their syntax, and each of their examples."""
    need_prometheus(pytestconfig)
    for arguments in (["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yml"]):
        checked("promtool", *arguments, cwd=FOLDER)


def test_prometheus_itself_finds_the_configuration_right(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """With the key that it reads in its place."""
    need_prometheus(pytestconfig)
    config = (FOLDER / "prometheus.yml").read_text()
    assert SECRETS in config
    (tmp_path / "metrics_key").touch()
    (tmp_path / "prometheus.yml").write_text(config.replace(SECRETS, str(tmp_path)))
    write(read("prometheus/rules.yml"), tmp_path / "rules.yml")
    assert "SUCCESS" in checked("promtool", "check", "config", tmp_path / "prometheus.yml")
