"""What infra/prometheus/rules.yml has, and the metrics that there are."""

import re
from typing import Any

from tests.monitoring.servers import INFRA, read

SUFFIXES = ("_bucket", "_sum", "_count")


def rules() -> list[dict[str, Any]]:
    """Everything in the file, recorded series too."""
    return [rule for group in read("prometheus/rules.yml")["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def documented() -> set[str]:
    """The metrics of docs/metrics.md."""
    page = (INFRA.parent / "docs" / "metrics.md").read_text()
    return set(re.findall(r"^\| `(fleetlake_\w+)`", page, re.MULTILINE))


def unknown_in(expression: str) -> list[str]:
    """Names of ours in an expression that neither a process nor a rule has."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    names = re.findall(r"\bfleetlake[_:][\w:]+", expression)
    bases = {
        name: next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)
        for name in names
    }
    return [name for name, base in bases.items() if base not in documented() and name not in recorded]
