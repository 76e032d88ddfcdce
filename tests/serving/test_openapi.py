"""The OpenAPI document says what the API does: nothing that comes out is not in it, whatever is sent."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fleetlake.settings import Settings
from tests.serving.scene import PROMPT, Api, api

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def tried(fleet_settings: Settings) -> Iterator[Api]:
    """The API, whose SQL is off: each question would be a process. Streams end at once, as at a stop."""
    serving = PROMPT.model_copy(
        update={"sql_enabled": False, "snapshot_seconds": 60.0, "health_seconds": 60.0}
    )
    with api(fleet_settings.model_copy(update={"serving": serving})) as client:
        client.stopping.set()
        yield client


QUIETLY = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def try_every_route(tried: Api, requests_a_route: int) -> int:
    """Sends what the document allows and what it does not; how many requests."""
    schema = schemathesis.openapi.from_url(f"{tried.base_url}/openapi.json")
    sent = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:

            @settings(max_examples=requests_a_route, deadline=None, suppress_health_check=QUIETLY)
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case) -> None:
                nonlocal sent
                sent += 1
                case.call_and_validate(checks=CHECKS)

            with suppress(Unsatisfiable):  # a route without parameters takes nothing that is wrong
                ask()
    return sent


def test_what_comes_out_is_in_the_document(tried: Api) -> None:
    """Some requests of each route."""
    assert try_every_route(tried, 3) > 50


@pytest.mark.slow
def test_what_comes_out_of_many_requests_is_in_the_document(tried: Api) -> None:
    """Five thousand of them."""
    assert try_every_route(tried, 180) > 5000


def test_the_document_names_units_and_loads_nothing(tried: Api) -> None:
    """Every field of a trip says what it is; there are no pages with scripts of others."""
    found = tried.get("/openapi.json").json()
    trip = found["components"]["schemas"]["Trip"]["properties"]
    assert trip["distance_km"]["description"].endswith("[km]")
    assert [name for name, field in trip.items() if not field.get("description")] == []
    assert "HTTPValidationError" not in found["components"]["schemas"]
    for path in ("/docs", "/redoc"):
        assert tried.get(path).status_code == 404


def test_every_route_of_the_documents_is_there(tried: Api) -> None:
    """docs/api.md lists the same paths."""
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text().partition("## Read API")[2]
    listed = {each.replace("{id}", "{vehicle_id}") for each in re.findall(r"`(?:GET|POST) (/[^?`\s]*)", page)}
    assert set(tried.get("/openapi.json").json()["paths"]) == listed - {"/", "/health", "/ready", "/metrics"}
