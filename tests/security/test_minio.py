"""MinIO's users under their policies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.rig import Secured, secured
from tests.security.store_trial import NOBODY, expected, tried

pytestmark = pytest.mark.real_store


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """MinIO alone."""
    folder: Path = tmp_path_factory.mktemp("secure-store")
    with secured(folder, with_kafka=False) as opened:
        yield opened


def test_every_user_may_do_what_rights_say_and_nothing_else(site: Secured) -> None:
    """Each cell of docs/security.md's table is tried, allowed and refused."""
    found = tried(site)
    services = site.rights.services
    assert found == {name: expected(None if name == NOBODY else services[name].store) for name in found}
    assert not found["api"]["put bronze"]
    assert not found["api"]["put silver"]
    assert found["history"]["put bronze"]
    assert not found["history"]["delete bronze"]
