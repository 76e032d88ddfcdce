"""The kinds of panels that dashboards are made of, and a dashboard of them, whose rows are 24 wide."""

from collections.abc import Sequence
from typing import Any, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import common, dashboard, geomap, stat, table, timeseries
from grafana_foundation_sdk.models.common import FrameGeometrySourceMode, GraphDrawStyle
from grafana_foundation_sdk.models.dashboard import Dashboard, DataSourceRef, VariableRefresh, VariableSort
from grafana_foundation_sdk.models.geomap import TooltipMode

from infra.grafana.queries import API, PROMETHEUS, Query, Rows, now, text


class Panel(Protocol):
    """What the SDK's builders of panels have in common."""

    def id(self, id_val: int) -> Self: ...
    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...
    def datasource(self, datasource: DataSourceRef) -> Self: ...
    def with_target(self, target: Query) -> Self: ...


P = TypeVar("P", bound=Panel)


def chart(title: str, about: str, *queries: Any, unit: str = "short", width: int = 12) -> timeseries.Panel:
    """Lines over time."""
    panel = timeseries.Panel().unit(unit).fill_opacity(8).span_nulls(False)
    return _asked(panel, title, about, queries, width, 8)


def bars(title: str, about: str, *queries: Any, unit: str = "short", width: int = 12) -> timeseries.Panel:
    """Counts over time."""
    panel = timeseries.Panel().unit(unit).draw_style(GraphDrawStyle.BARS).fill_opacity(80)
    return _asked(panel, title, about, queries, width, 8)


def figure(title: str, about: str, *queries: Any, unit: str = "short", width: int = 6) -> stat.Panel:
    """A number or a text, and one for each series."""
    shown = common.ReduceDataOptions().calcs(["lastNotNull"])
    return _asked(stat.Panel().unit(unit).reduce_options(shown), title, about, queries, width, 4)


def counted(title: str, about: str, *queries: Any, width: int = 6) -> stat.Panel:
    """How many rows there are: all values of the first column are counted."""
    shown = common.ReduceDataOptions().calcs(["count"]).fields("/.*/")
    return _asked(stat.Panel().reduce_options(shown), title, about, queries, width, 4)


def listing(title: str, about: str, *queries: Any, width: int = 24, height: int = 9) -> table.Panel:
    """Rows as they come."""
    return _asked(table.Panel(), title, about, queries, width, height)


def places(title: str, about: str, *queries: Any, width: int = 24, height: int = 16) -> geomap.Panel:
    """A dot for each row, at its columns `latitude` and `longitude`; the map shows all of them."""
    where = common.FrameGeometrySource().mode(FrameGeometrySourceMode.COORDS)
    dots = (
        common.MapLayerOptions()
        .type("markers")
        .name("places")
        .config({"showLegend": False, "style": {"size": {"fixed": 6}, "opacity": 0.8}})
        .location(where.latitude("latitude").longitude("longitude"))
        .tooltip(True)
    )
    view = geomap.MapViewConfig().id("fit").all_layers(True).lat(0).lon(0).zoom(15)
    basemap = common.MapLayerOptions().type("default").name("ground")
    details = geomap.TooltipOptions().mode(TooltipMode.DETAILS)
    panel = geomap.Panel().view(view).basemap(basemap).layers([dots]).tooltip(details)
    return _asked(panel, title, about, queries, width, height)


def choice(name: str, label: str, query: Rows) -> dashboard.QueryVariable:
    """A variable whose values are the query's only column."""
    asked = {
        "queryType": "infinity",
        "refId": "variable",
        "infinityQuery": query.ref_id("variable").to_json(),
    }
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(API)
        .query(asked)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.DISABLED)
    )


def vehicle() -> dashboard.QueryVariable:
    """Which one; `${vehicle:percentencode}` in a path."""
    return choice(
        "vehicle", "Vehicle", now("/vehicles", "vehicles", text("vehicle_id", "vehicle"), limit="1000")
    )


def board(
    uid: str,
    title: str,
    about: str,
    panels: Sequence[Any],
    *,
    variables: Sequence[dashboard.QueryVariable] = (),
    span: str = "now-6h",
    refresh: str = "30s",
) -> Dashboard:
    """A dashboard that nobody changes in the browser: it is code."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags(["fleetlake"])
        .timezone("browser")
        .time(span, "now")
        .refresh(refresh)
        .readonly()
    )
    for variable in variables:
        made.with_variable(variable)
    for number, panel in enumerate(panels, start=1):
        made.with_panel(panel.id(number))
    return made.build()


def _asked(panel: P, title: str, about: str, queries: Sequence[Any], width: int, height: int) -> P:
    source = API if isinstance(queries[0], Rows) else PROMETHEUS
    panel.title(title).description(about).span(width).height(height).datasource(source)
    for place, query in enumerate(queries):
        panel.with_target(query.ref_id("ABCDEFGH"[place]))
    return panel
