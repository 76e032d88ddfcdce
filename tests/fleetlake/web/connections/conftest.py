"""An interface with small limits, on a real socket."""

from collections.abc import Iterator

import pytest

from fleetlake.web import body
from tests.fleetlake.web.connections.lines import GET, LIMITS
from tests.interfaces import Interface, status_of, talk


@pytest.fixture(scope="module")
def interface(tmp_path_factory: pytest.TempPathFactory) -> Interface:
    """With small limits, so that a test takes no minute."""
    return Interface(tmp_path_factory.mktemp("interface"), http=LIMITS)


@pytest.fixture(scope="module")
def port(interface: Interface) -> Iterator[int]:
    """Where it listens. After all tests it still answers."""
    with pytest.MonkeyPatch.context() as patch, interface.listening() as port:
        patch.setattr(body, "LINGER_SECONDS", 0.3)
        yield port
        assert status_of(talk(port, GET, until_closed=False)) == 200
