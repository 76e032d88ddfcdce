"""The alerts about the pipeline: over metrics that exist, with a row in the runbook, and right by example."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fleetlake.settings import DEFAULT_SERVICES_DIR
from tests.real_services import REQUIRED

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "infra" / "prometheus"
PROMTOOL = DEFAULT_SERVICES_DIR / "promtool" / "promtool"
SUFFIXES = ("_bucket", "_sum", "_count")


def rules() -> list[dict[str, Any]]:
    """All alerts of the file."""
    groups = YAML(typ="safe").load((FOLDER / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def documented() -> set[str]:
    """The metrics of docs/metrics.md."""
    return set(re.findall(r"^\| `(fleetlake_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))


def test_every_metric_of_a_rule_exists() -> None:
    """By the name that docs/metrics.md has."""
    for rule in rules():
        for name in re.findall(r"\bfleetlake_\w+", rule["expr"]):
            base = next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)
            assert base in documented(), f"{rule['alert']}: {name}"


def test_every_alert_has_a_row_in_the_runbook() -> None:
    """And the runbook has no other."""
    page = (ROOT / "docs" / "runbook.md").read_text()
    assert set(re.findall(r"^\| `(Fleetlake\w+)` \|", page, re.MULTILINE)) == {
        rule["alert"] for rule in rules()
    }
    assert {rule["annotations"]["runbook"] for rule in rules()} == {"docs/runbook.md#an-alert"}


def test_every_alert_has_an_example() -> None:
    """In which it fires."""
    tests = YAML(typ="safe").load((FOLDER / "rules.test.yml").read_text())["tests"]
    fired = {
        case["alertname"] for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")
    }
    assert fired == {rule["alert"] for rule in rules()}


def test_prometheus_itself_finds_the_rules_right(pytestconfig: pytest.Config) -> None:
    """`make promtool` builds its checker; FLEETLAKE_REQUIRE=promtool makes a missing one a failure."""
    if not PROMTOOL.is_file():
        assert "promtool" not in pytestconfig.stash[REQUIRED], f"{PROMTOOL} is missing: make promtool"
        pytest.skip("promtool is not built: make promtool")
    for arguments in (["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yml"]):
        done = subprocess.run([PROMTOOL, *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
