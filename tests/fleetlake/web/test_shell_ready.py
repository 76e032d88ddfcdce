"""Whether the process can do its work, as the shell says it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.interfaces import FROM_THE_INSIDE, Interface, kind_of

pytestmark = pytest.mark.usefixtures("logs")


def test_ready_names_what_is_away_and_no_more(tmp_path: Path, logs: list[Any]) -> None:
    """The reason is for the log; the state of a second ago is good enough."""
    asked = 0

    async def ready() -> Mapping[str, str | None]:
        nonlocal asked
        asked += 1
        return {"kafka": FROM_THE_INSIDE, "lake": None}

    interface = Interface(tmp_path, ready=ready)
    answers = [interface.ask("GET", "/ready") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {503}
    assert kind_of(answers[0]) == "unavailable"
    assert answers[0].json()["parts"] == ["kafka"]
    assert asked == 1
    assert [each["parts"] for each in logs if each["event"] == "not_ready"] == [{"kafka": FROM_THE_INSIDE}]
    assert interface.ask("GET", "/health").json() == {"status": "alive"}


def test_who_cannot_tell_is_not_ready(tmp_path: Path) -> None:
    """A check that fails, or never ends, is no good news."""

    async def fails() -> Mapping[str, str | None]:
        raise RuntimeError(FROM_THE_INSIDE)

    async def hangs() -> Mapping[str, str | None]:
        await asyncio.sleep(3600)
        return {}

    assert kind_of(Interface(tmp_path, ready=fails).ask("GET", "/ready")) == "unavailable"
    interface = Interface(tmp_path, ready=hangs)
    interface.shell._own._patience_seconds = 0.05
    assert kind_of(interface.ask("GET", "/ready")) == "unavailable"


def test_ready_is_ready(open_interface: Interface) -> None:
    """With the names of what it rests on."""
    assert open_interface.ask("GET", "/ready").json() == {"status": "ready", "parts": ["store"]}
