"""What is shared by this folder's tests."""

from collections.abc import Iterator

import pytest

from lake.spark_session import close_all


@pytest.fixture(scope="session", autouse=True)
def spark_ends() -> Iterator[None]:
    """Ends the Spark session that a test has started; there is none in most runs."""
    yield
    close_all()
