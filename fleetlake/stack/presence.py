"""Says at once that nothing runs, instead of after a client's timeout: where the local stack does not run, no
address was set, and nothing listens on the default one."""

import socket
from pathlib import Path

from fleetlake.settings import ADDRESSES, STACK_FILE, Settings, is_explicit, variable_of

CONNECT_SECONDS = 1.0


class NothingRuns(Exception):
    """No local stack, and no server on the default address.

    Operator action: start the stack, or set the server's address.
    """

    def __init__(self, data_dir: Path, address: str, variable: str) -> None:
        self.data_dir, self.address, self.variable = data_dir, address, variable
        super().__init__(
            f"no local stack runs in {data_dir} and nothing listens on {address}: "
            f"`fleetlake up --detach` starts one, {variable} names another server"
        )


def require_server(settings: Settings, section: str) -> None:
    """NothingRuns if "kafka" or "mongo" cannot be there. Only a refused connection proves it."""
    field = ADDRESSES[section]
    if is_explicit(section, field) or (settings.data_dir / STACK_FILE).exists():
        return
    address = str(getattr(getattr(settings, section), field)).rpartition("/")[2]
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        raise NothingRuns(settings.data_dir, address, variable_of(section, field)) from None
    except OSError:
        return  # not a proof: the client finds out
