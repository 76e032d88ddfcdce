"""What the Infinity data source makes of a JSON answer with its backend parser, as far as our queries use it:
the root selector and the columns are paths in dots, a number in them is a place in a list."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import httpx

from tests.monitoring.dashboards import filled

MISSING: Final = object()
Row = dict[str, Any]


def ask(client: httpx.Client, query: Mapping[str, Any], values: Mapping[str, str]) -> list[Row]:
    """The rows that a query gives: of each column, the value in the type that it names. Fails where Grafana
    would show an error, and where a column is nowhere in the answer or of another type."""
    options = query["url_options"]
    assert (query["type"], query["source"], query["parser"]) == ("json", "url", "backend")
    parameters = {each["key"]: filled(each["value"], values) for each in options["params"]}
    answer = client.request(options["method"], filled(query["url"], values), params=parameters)
    assert answer.status_code == 200, f"{answer.request.url}: {answer.text}"
    root = at(answer.json(), query["root_selector"])
    assert root is not MISSING, f"{answer.request.url} has no {query['root_selector']}"
    items = root if isinstance(root, list) else [root]
    return rows_of(items, query["columns"])


def rows_of(items: Sequence[Any], columns: Sequence[Mapping[str, str]]) -> list[Row]:
    """A row for each item."""
    for column in columns:
        selector = column["selector"]
        assert not items or any(at(item, selector) is not MISSING for item in items), f"no {selector}"
    return [
        {each["text"]: typed(at(item, each["selector"]), each["type"]) for each in columns} for item in items
    ]


def at(document: Any, path: str) -> Any:
    """What is there, or MISSING."""
    found = document
    for step in path.split(".") if path else []:
        if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        elif isinstance(found, dict) and step in found:
            found = found[step]
        else:
            return MISSING
    return found


def typed(value: Any, kind: str) -> Any:
    """A value of a column. Null stays null; a number is none in quotes, a time is one with its zone."""
    if value is None or value is MISSING:
        return None
    if kind == "number":
        assert isinstance(value, int | float), value
        assert not isinstance(value, bool), value
        return float(value)
    if kind == "timestamp":
        moment = datetime.fromisoformat(value)
        assert moment.tzinfo is not None, value
        return moment
    assert kind == "string", kind
    return value if isinstance(value, str) else str(value)
