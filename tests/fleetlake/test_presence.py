"""Commands that need a server say at once that nothing runs."""

import socket
from contextlib import closing
from pathlib import Path

import pytest

from fleetlake import cli
from fleetlake.settings import Settings
from fleetlake.stack.layout import layout_of
from fleetlake.stack.presence import NotChosen, NothingRuns, require_choice, require_server
from fleetlake.stack.processes import ProcessId, myself
from fleetlake.stack.runfile import ProcessEntry, StackFile, StackState
from fleetlake.stack.server import free_port
from lake.settings import MongoSettings


@pytest.fixture(autouse=True)
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder without a stack, and no address set."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("FLEETLAKE_MONGO__URI", raising=False)


GONE = ProcessId(2**22 + 1, 1.0)
"""A process number that the system does not give."""


def write_stack(up: ProcessId, servers: list[tuple[str, ProcessId]]) -> None:
    """The stack file of this process or of one that is gone, with servers likewise."""
    entries = [ProcessEntry(name, process.pid, process.started, 0, "running") for name, process in servers]
    address = "127.0.0.1:1"
    file = StackFile(
        address, f"mongodb://{address}", "lake", None, up.pid, up.started, StackState.RUNNING, entries
    )
    file.write(layout_of(Settings().data_dir))


def at(port: int) -> Settings:
    """Settings whose default address is one of the test's own."""
    return Settings().model_copy(update={"mongo": MongoSettings(uri=f"mongodb://127.0.0.1:{port}")})


def test_a_refused_connection_is_enough_to_know() -> None:
    """The message names the folder, the address and the variable."""
    port = free_port()
    with pytest.raises(NothingRuns, match=rf"127\.0\.0\.1:{port}.*FLEETLAKE_MONGO__URI"):
        require_server(at(port), "mongo")


def test_a_server_that_listens_is_used() -> None:
    """Somebody's own, on the default address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        require_server(at(server.getsockname()[1]), "mongo")


def test_an_address_that_was_set_is_left_to_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be restarting; and so may a stack's."""
    port = free_port()
    monkeypatch.setenv("FLEETLAKE_MONGO__URI", f"mongodb://127.0.0.1:{port}")
    require_server(at(port), "mongo")
    monkeypatch.delenv("FLEETLAKE_MONGO__URI")
    write_stack(myself(), [])
    require_server(at(port), "mongo")


def test_a_server_that_is_away_is_one_short_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the client's dump of what it knows."""
    port = free_port()
    monkeypatch.setenv("FLEETLAKE_MONGO__URI", f"mongodb://127.0.0.1:{port}")
    monkeypatch.setenv("FLEETLAKE_MONGO__TIMEOUT_S", "0.3")
    assert cli.run(["state", "981"]) == 1
    refused = f"MongoDB at 127.0.0.1:{port} is not available: Connection refused"
    expected = f"fleetlake: {refused} [StoreUnavailable]"
    assert capsys.readouterr().err.strip() == expected


def test_nobody_elses_stack_is_changed() -> None:
    """What listens on the default address may be the stack of another folder."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        with pytest.raises(NotChosen, match=rf"may listen on 127\.0\.0\.1:{port}.*FLEETLAKE_MONGO__URI"):
            require_choice(at(port), "mongo")


def test_a_choice_is_a_stack_or_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Either is enough."""
    monkeypatch.setenv("FLEETLAKE_MONGO__URI", "mongodb://127.0.0.1:1")
    require_choice(Settings(), "mongo")
    monkeypatch.delenv("FLEETLAKE_MONGO__URI")
    write_stack(myself(), [])
    require_choice(Settings(), "mongo")
    write_stack(GONE, [("mongo", myself())])
    require_choice(Settings(), "mongo")


def test_a_stack_that_is_dead_is_no_choice() -> None:
    """After a power cut its file still names addresses, and another folder's stack may listen there."""
    write_stack(GONE, [("mongo", GONE), ("kafka", myself())])
    with closing(socket.create_server(("127.0.0.1", 0))) as server, pytest.raises(NotChosen):
        require_choice(at(server.getsockname()[1]), "mongo")


@pytest.mark.parametrize(
    "command",
    ["simulate --count 1", "ingest history", "wait", "topics create", "deadletters redrive", "state rebuild",
     "checkpoint skip t 0", "checkpoint renew t", "checkpoint reroute t 0"],
)  # fmt: skip
def test_commands_that_change_something_ask_for_a_choice(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever happens to listen."""
    monkeypatch.setattr("fleetlake.stack.presence.require_server", lambda settings, section: None)
    assert cli.run(command.split()) == 1
    assert "no local stack runs in" in capsys.readouterr().err
