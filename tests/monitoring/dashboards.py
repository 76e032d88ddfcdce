"""The dashboards as they are committed, and what their panels ask."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.monitoring.servers import INFRA, read

FOLDER = INFRA / "grafana" / "dashboards"
PROVISIONING = "grafana/provisioning"
PROMETHEUS, API = "fleetlake-prometheus", "fleetlake-api"
FORMATS = {"": str, ":percentencode": lambda value: quote(value, safe=""), ":date:iso": str}

Dashboard = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """One query of one panel."""

    dashboard: str
    panel: str
    target: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.dashboard} | {self.panel} | {self.target['refId']}"


def dashboards() -> list[Dashboard]:
    """All of them, by their files' names."""
    return [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]


def queries(source: str) -> list[Asked]:
    """Every query that goes to one data source."""
    return [
        Asked(dashboard["title"], panel["title"], target)
        for dashboard in dashboards()
        for panel in dashboard["panels"]
        for target in panel["targets"]
        if target["datasource"]["uid"] == source
    ]


def variables() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and query of each variable, those that others need first."""
    for dashboard in dashboards():
        for each in dashboard["templating"].get("list", []):
            yield each["name"], each["query"]["infinityQuery"]


def grafana_rules() -> list[dict[str, Any]]:
    """The alerts that Grafana itself judges."""
    return [rule for group in read(f"{PROVISIONING}/alerting/rules.yml")["groups"] for rule in group["rules"]]


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with Grafana's variables in their places; one that nobody knows is an error."""

    def value(found: re.Match[str]) -> str:
        return str(FORMATS[found[2] or ""](values[found[1]]))

    return re.sub(r"\$\{(\w+)((?::\w+)*)\}", value, text)


def table(counts: Mapping[str, int]) -> str:
    """A line for each query, for people."""
    return "\n".join(f"| {name} | {rows} |" for name, rows in counts.items())
