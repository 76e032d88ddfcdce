"""Says at once that nothing runs in a data folder, instead of after a client's timeout; and keeps commands
that change something from another stack, which may listen on the default addresses."""

import socket
from pathlib import Path

from fleetlake.settings import ADDRESSES, Settings, is_explicit, variable_of
from fleetlake.stack.layout import layout_of
from fleetlake.stack.runfile import read_stack

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


class NotChosen(Exception):
    """No local stack runs in the data folder and no address was set: whose server should be changed?

    Operator action: start the stack, name its data folder, or set the server's address.
    """

    def __init__(self, data_dir: Path, address: str, variable: str) -> None:
        self.data_dir, self.address, self.variable = data_dir, address, variable
        super().__init__(
            f"no local stack runs in {data_dir}, and another one may listen on {address}: `fleetlake up "
            f"--detach` starts one, --data-dir names the folder of one, {variable} names a server"
        )


def require_choice(settings: Settings, *sections: str) -> None:
    """For commands that change something, or vouch for something: NothingRuns or NotChosen where neither a
    stack runs in the data folder nor an address was set."""
    for section in sections:
        require_server(settings, section)
        if not _is_chosen(settings, section):
            raise NotChosen(settings.data_dir, *_default(settings, section))


def require_server(settings: Settings, section: str) -> None:
    """NothingRuns if "kafka" or "mongo" cannot be there. Only a refused connection proves it."""
    if _is_chosen(settings, section):
        return
    address, variable = _default(settings, section)
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        raise NothingRuns(settings.data_dir, address, variable) from None
    except OSError:
        return  # not a proof: the client finds out


def _is_chosen(settings: Settings, section: str) -> bool:
    return is_explicit(section, ADDRESSES[section]) or _runs_here(settings, section)


def _runs_here(settings: Settings, section: str) -> bool:
    """Whether the folder's stack, or at least its server, is alive: what the file of a dead one names may be
    another's by now."""
    stack = read_stack(layout_of(settings.data_dir))
    if stack is None:
        return False
    return stack.is_running or any(entry.name == section and entry.is_alive for entry in stack.processes)


def _default(settings: Settings, section: str) -> tuple[str, str]:
    """The address, and the variable that sets it."""
    field = ADDRESSES[section]
    address = str(getattr(getattr(settings, section), field)).rpartition("/")[2]
    return address, variable_of(section, field)
