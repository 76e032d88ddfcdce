"""What panels ask: Prometheus, or the read API by the Infinity data source with its backend parser. The data
sources have these uids in provisioning/datasources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.cog import variants as cogvariants
from grafana_foundation_sdk.models.dashboard import DataSourceRef

PROMETHEUS = DataSourceRef("prometheus", "fleetlake-prometheus")
API = DataSourceRef("yesoreyeram-infinity-datasource", "fleetlake-api")

TIME_SPAN = {"from": "${__from:date:iso}", "to": "${__to:date:iso}"}
"""The dashboard's, as the API takes it."""

Kind = Literal["string", "number", "timestamp", "boolean"]
Query = cogbuilder.Builder[cogvariants.Dataquery]


@dataclass(frozen=True)
class Column:
    """A field of each row: `path` below it, in dots; `name` is what people see."""

    path: str
    name: str
    kind: Kind = "string"


def text(path: str, name: str) -> Column:
    return Column(path, name)


def number(path: str, name: str) -> Column:
    return Column(path, name, "number")


def moment(path: str, name: str) -> Column:
    return Column(path, name, "timestamp")


@dataclass
class Rows(cogvariants.Dataquery, cogbuilder.Builder[cogvariants.Dataquery]):
    """Of a route's answer: the list at `root`, a row each."""

    path: str
    root: str
    columns: Sequence[Column]
    parameters: Mapping[str, str] = field(default_factory=dict)
    format: Literal["table", "timeseries"] = "table"
    ref: str = "A"

    def ref_id(self, ref: str) -> Self:
        self.ref = ref
        return self

    def build(self) -> cogvariants.Dataquery:
        return self

    def to_json(self) -> dict[str, object]:
        """As the data source keeps it."""
        return {
            "refId": self.ref,
            "datasource": API,
            "type": "json",
            "source": "url",
            "parser": "backend",
            "format": self.format,
            "url": self.path,
            "url_options": {
                "method": "GET",
                "data": "",
                "params": [{"key": key, "value": value} for key, value in self.parameters.items()],
            },
            "root_selector": self.root,
            "columns": [
                {"selector": each.path, "text": each.name, "type": each.kind} for each in self.columns
            ],
            "computed_columns": [],
            "filters": [],
        }


def course(path: str, root: str, *columns: Column, **parameters: str) -> Rows:
    """A series within the dashboard's time span."""
    return Rows(path, root, columns, {**TIME_SPAN, **parameters}, "timeseries")


def spanned(path: str, root: str, *columns: Column, **parameters: str) -> Rows:
    """A table of what is within the dashboard's time span."""
    return Rows(path, root, columns, {**TIME_SPAN, **parameters})


def now(path: str, root: str, *columns: Column, **parameters: str) -> Rows:
    """A table of how it is."""
    return Rows(path, root, columns, parameters)


def over_time(expression: str, legend: str = "") -> prometheus.Dataquery:
    """An expression within the dashboard's time span."""
    return prometheus.Dataquery().expr(expression).legend_format(legend).datasource(PROMETHEUS).range()


def at_once(expression: str, legend: str = "") -> prometheus.Dataquery:
    """An expression as it is at the end of the time span."""
    return prometheus.Dataquery().expr(expression).legend_format(legend).datasource(PROMETHEUS).instant()
