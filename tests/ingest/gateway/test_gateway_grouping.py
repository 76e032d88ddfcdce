"""How the thread of requests with a key ends: what was taken is finished, and nothing else is waited for."""

import threading
import time
from collections.abc import Sequence
from typing import cast

import pytest

from ingest.gateway import grouping
from ingest.gateway.grouping import Grouping
from ingest.gateway.groups import Groups
from ingest.gateway.keyed import Keyed
from ingest.gateway.settings import GatewaySettings
from ingest.process import logger
from lake.idempotency_model import Given

AWAY_SECONDS = 20.0
TAKEN = Given(202, b"{}")


class Answering:
    """In place of Kafka and MongoDB: takes everything."""

    def handle(self, group: Sequence[Keyed]) -> None:
        for request in group:
            request.give(TAKEN)


class Settling:
    """Waits for a server that is away."""

    def __init__(self) -> None:
        self.began, self.is_back, self.is_over = threading.Event(), threading.Event(), False

    def __call__(self) -> None:
        self.began.set()
        self.is_back.wait(AWAY_SECONDS)
        self.is_over = True


def over(settling: Settling) -> Grouping:
    return Grouping(cast("Groups", Answering()), settling, GatewaySettings(), logger("gateway"))


def request() -> Keyed:
    return Keyed("id", b"digest", (), ())


def test_what_is_being_settled_is_left_to_the_next_gateway() -> None:
    """A server that is away would be waited for as long as its client is patient."""
    settling = Settling()
    with over(settling):
        assert settling.began.wait(AWAY_SECONDS)
    assert not settling.is_over
    settling.is_back.set()


def test_a_request_behind_what_is_being_settled_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long that takes."""
    monkeypatch.setattr(grouping, "LEAVE_SECONDS", 0.05)
    settling = Settling()
    with over(settling) as taking:
        assert settling.began.wait(AWAY_SECONDS)
        reply = taking.submit(request())
        threading.Timer(0.3, settling.is_back.set).start()
    assert settling.is_over
    assert reply.result(0).given == TAKEN


def test_an_end_without_requests_is_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the next one would have been waited for."""
    monkeypatch.setattr(grouping, "IDLE_SECONDS", AWAY_SECONDS)
    settling = Settling()
    settling.is_back.set()
    began = time.monotonic()
    with over(settling) as taking:
        assert taking.submit(request()).result(AWAY_SECONDS).given == TAKEN
    assert time.monotonic() - began < AWAY_SECONDS / 2
