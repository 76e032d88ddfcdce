"""Grafana's dashboards: as the code has them, over data sources, metrics and routes that exist."""

import re
from collections import Counter

import pytest

from infra.grafana.build import built
from tests.monitoring.dashboards import (
    API,
    FOLDER,
    PROMETHEUS,
    PROVISIONING,
    dashboards,
    filled,
    grafana_rules,
    queries,
    variables,
)
from tests.monitoring.infinity import at, rows_of, typed
from tests.monitoring.rule_file import unknown_in
from tests.monitoring.servers import INFRA, read


def test_the_dashboards_are_those_that_the_code_makes() -> None:
    """`make dashboards` makes them again."""
    assert {file.name: file.read_text() for file in FOLDER.iterdir()} == built()


def test_there_is_a_dashboard_for_each_question() -> None:
    """With ids of their own, and none that is changed in a browser."""
    found = {each["title"]: each for each in dashboards()}
    assert found.keys() == {
        "Fleet map",
        "Vehicle",
        "Anomalies per 10 s",
        "Trips and charging",
        "Pipeline health",
        "Data quality",
        "Kafka lag",
        "Service internals",
    }
    assert len({each["uid"] for each in found.values()}) == len(found)
    for each in found.values():
        assert not each["editable"]
        assert Counter(panel["id"] for panel in each["panels"]).most_common(1)[0][1] == 1
        assert Counter(panel["title"] for panel in each["panels"]).most_common(1)[0][1] == 1
        assert all(panel["description"] and panel["targets"] for panel in each["panels"])
        assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in each["panels"])


def test_every_data_source_is_provisioned() -> None:
    """By its uid and kind, and with its secret from the environment."""
    sources = {each["uid"]: each for each in read(f"{PROVISIONING}/datasources/fleetlake.yml")["datasources"]}
    asked = [each.target["datasource"] for uid in (PROMETHEUS, API) for each in queries(uid)]
    everything = sum(len(panel["targets"]) for each in dashboards() for panel in each["panels"])
    assert len(asked) == everything
    assert {(each["uid"], each["type"]) for each in asked} <= {
        (uid, source["type"]) for uid, source in sources.items()
    }
    assert sources[API]["secureJsonData"] == {"bearerToken": "$GRAFANA_API_KEY"}


def test_every_metric_of_a_panel_exists() -> None:
    """In docs/metrics.md, or in a rule."""
    asked = queries(PROMETHEUS)
    assert len(asked) > 20
    assert {each.name: unknown for each in asked if (unknown := unknown_in(each.target["expr"]))} == {}


def test_every_alert_of_grafana_is_told_to_somebody() -> None:
    """By contact points of all four kinds, of which no secret is in the files."""
    text = (INFRA / PROVISIONING / "alerting" / "contact-points.yml").read_text()
    points = read(f"{PROVISIONING}/alerting/contact-points.yml")["contactPoints"]
    assert {each["type"] for point in points for each in point["receivers"]} == {
        "webhook",
        "email",
        "slack",
        "teams",
    }
    assert re.findall(r"(?:url|addresses|credentials): (?!\$)\S+", text) == []
    (policy,) = read(f"{PROVISIONING}/alerting/policies.yml")["policies"]
    told = {policy["receiver"], *(route["receiver"] for route in policy["routes"])}
    assert told == {point["name"] for point in points}
    sources = {each["uid"] for each in read(f"{PROVISIONING}/datasources/fleetlake.yml")["datasources"]}
    for rule in grafana_rules():
        assert rule["condition"] in {step["refId"] for step in rule["data"]}
        assert {step["datasourceUid"] for step in rule["data"]} <= {*sources, "__expr__"}


def test_variables_are_asked_before_they_are_used() -> None:
    """A dashboard's variables are its own, or those before them."""
    for dashboard in dashboards():
        known = {each["name"] for each in dashboard["templating"].get("list", [])}
        used = set(re.findall(r"\$\{([a-z]\w*)[:}]", str(dashboard["panels"])))
        assert used == known, dashboard["title"]
    assert {name for name, _ in variables()} == {"vehicle", "trip"}


def test_answers_are_read_as_the_data_source_reads_them() -> None:
    """By paths in dots, in the type that a column names; what is not there is an error."""
    feature = {
        "properties": {"id": "V", "time": "2026-01-01T00:00:00Z"},
        "geometry": {"coordinates": [1, 2.5]},
    }
    columns = [
        {"selector": "properties.id", "text": "id", "type": "string"},
        {"selector": "geometry.coordinates.1", "text": "latitude", "type": "number"},
    ]
    assert rows_of([feature, {"properties": {"id": None}}], columns) == [
        {"id": "V", "latitude": 2.5},
        {"id": None, "latitude": None},
    ]
    assert at([[1, 2]], "0.1") == 2
    with pytest.raises(AssertionError, match="no properties"):
        rows_of([feature], [{"selector": "properties.name", "text": "name", "type": "string"}])
    for value, kind in (("1", "number"), (True, "number"), ("2026-01-01T00:00:00", "timestamp")):
        with pytest.raises(AssertionError):
            typed(value, kind)
    assert filled("/v/${vehicle:percentencode}?at=${__to:date:iso}", {"vehicle": "a/b", "__to": "t"}) == (
        "/v/a%2Fb?at=t"
    )
