"""The gateway's OpenAPI document is true: whatever is asked, it is answered with what the document says."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from ingest.gateway.openapi import CAR, SENSOR
from tests.ingest.gateway.site import GatewaySite

FEW, MANY = 20, 1_300
STATUSES = {202, 207, 400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 431, 500, 503}
OF_EVENTS = [positive_data_acceptance, negative_data_rejection]
"""What an event may hold is its contract's to say, and no JSON schema's: these know the schema only."""


@pytest.fixture
def schema(site: GatewaySite) -> Iterator[Any]:
    """Of a gateway on the run's servers."""
    site.create_topics("sensor", "car", "twizy")
    with site.serving() as client:
        yield schemathesis.openapi.from_asgi("/openapi.json", client.app)


def ask_everything(schema: Any, examples: int) -> int:
    """Asks each route so often, with what the document allows and with what it does not; how many it were."""
    asked = 0
    for result in schema.get_all_operations():
        for mode in GenerationMode:
            asked += _ask(result.ok().as_strategy(generation_mode=mode), examples)
    return asked


def _ask(cases: Any, examples: int) -> int:
    asked = 0

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    @given(case=cases)
    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        case.call_and_validate(excluded_checks=OF_EVENTS)

    ask()
    return asked


def test_every_answer_is_one_that_the_document_names(schema: Any) -> None:
    """Status, headers and shape."""
    assert ask_everything(schema, FEW) >= 2 * FEW


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thousands_of_answers_are_ones_that_the_document_names(schema: Any) -> None:
    """The same, more often."""
    assert ask_everything(schema, MANY) >= 2 * MANY


def test_the_examples_of_the_document_are_taken(site: GatewaySite) -> None:
    """Whoever copies one gets a receipt."""
    site.create_topics("sensor", "car")
    with site.serving() as client:
        assert client.post("/ingest", SENSOR).status_code == 202
        assert client.post("/ingest/car", [CAR]).status_code == 202


def test_the_document_names_every_source_and_status(site: GatewaySite) -> None:
    """Those of the shell included."""

    async def fetch() -> Any:
        transport = httpx.ASGITransport(client.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as asking:
            return (await asking.get("/openapi.json")).json()

    with site.serving() as client:
        operation = asyncio.run(fetch())["paths"]["/ingest/{source}"]["post"]
    [source] = [each for each in operation["parameters"] if each["name"] == "source"]
    assert source["schema"]["enum"] == sorted(site.registry.contracts)
    assert {int(status) for status in operation["responses"]} == STATUSES
