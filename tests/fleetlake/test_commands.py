"""What all commands have in common."""

from collections.abc import Iterator
from typing import Any

import pytest

from fleetlake.commands import COMMANDS


def parameters(command: Any) -> Iterator[Any]:
    """Of a command and its subcommands."""
    yield from command.params
    for subcommand in getattr(command, "commands", {}).values():
        yield from parameters(subcommand)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_described_and_none_installs_a_completion(name: str) -> None:
    """A completion for a part of the program would break the user's shell."""
    found = list(parameters(COMMANDS[name].load(name)))
    assert [each.name for each in found if not (each.help or each.hidden)] == []
    assert [each.name for each in found if "completion" in (each.name or "")] == []
