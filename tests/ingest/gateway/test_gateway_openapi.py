"""The gateway's OpenAPI document is true: whatever is asked, it is answered with what the document says."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from contracts.load import load_registry
from ingest.gateway.openapi import CAR, SENSOR
from tests.ingest.gateway.site import GatewaySite

FEW, MANY = 25, 2_500
STATUSES = {202, 207, 400, 403, 404, 409, 413, 415, 422, 429, 503}
UNTRUE_OF_EVENTS = {"positive_data_acceptance"}
"""What an event's fields may hold is its contract's to say, and no JSON schema's."""


@pytest.fixture
def schema(site: GatewaySite) -> Iterator[Any]:
    """Of a gateway on the run's servers."""
    site.create_topics("sensor", "car", "twizy")
    with site.serving() as client:
        yield schemathesis.openapi.from_asgi("/openapi.json", client.app)


def ask_everything(schema: Any, examples: int) -> int:
    """Asks each route so often; returns how many cases there were."""
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(
                checks=[
                    schemathesis.checks.not_a_server_error,
                    *[
                        check
                        for check in schemathesis.checks.CHECKS.get_all()
                        if check.__name__ not in UNTRUE_OF_EVENTS
                    ],
                ]
            )

        ask()
    return asked


def test_every_answer_is_one_that_the_document_names(schema: Any) -> None:
    """Status, headers and shape, of what the document allows and of what it does not."""
    assert ask_everything(schema, FEW) >= FEW


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thousands_of_answers_are_ones_that_the_document_names(schema: Any) -> None:
    """The same, more often."""
    assert ask_everything(schema, MANY) >= 2 * MANY


def test_the_examples_of_the_document_are_taken(site: GatewaySite) -> None:
    """Whoever copies one gets a receipt."""
    site.create_topics("sensor", "car")
    with site.serving() as client:
        assert client.post("/ingest", SENSOR).status_code == 202
        assert client.post("/ingest/car", [CAR]).status_code == 202


def test_the_document_names_every_source(site: GatewaySite) -> None:
    """And every status."""
    with site.serving() as client:
        import asyncio

        import httpx

        async def fetch() -> Any:
            transport = httpx.ASGITransport(client.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as asking:
                return (await asking.get("/openapi.json")).json()

        paths = asyncio.run(fetch())["paths"]
    operation = paths["/ingest/{source}"]["post"]
    [source] = [each for each in operation["parameters"] if each["name"] == "source"]
    assert source["schema"]["enum"] == sorted(load_registry().contracts)
    assert {int(status) for status in operation["responses"]} >= STATUSES
