"""Connections as Fleetlake opens them, and an empty collection of the test's own."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.collection import Collection

from lake.mongo import Client, open_client
from lake.settings import MongoSettings


@pytest.fixture
def client(mongo_settings: MongoSettings) -> Iterator[Client]:
    """A client with the product's own options."""
    with open_client(mongo_settings) as opened:
        yield opened


@pytest.fixture
def vehicles(client: Client, mongo_settings: MongoSettings) -> Collection[dict[str, Any]]:
    """A collection that does not exist yet."""
    return client[mongo_settings.database]["vehicles"]
