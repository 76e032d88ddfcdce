"""Questions to the lake end: by an answer, a deadline, or because nobody waits any more."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from starlette.requests import Request

from contracts.problem import Kind, Problem
from lake.reading import LakeReader, Marts
from lake.settings import LakeSettings
from serving.asking import Asking, ClientGone
from serving.settings import ServingSettings
from transforms.live import signals_live

ENDLESS = "select count(*) from range(1000000) a, range(1000000) b"
QUICK = ServingSettings(query_threads=1, query_waiting=1, query_seconds=0.6)


@pytest.fixture
def reader(lake_settings: LakeSettings) -> Iterator[LakeReader]:
    marts = Marts({}, lambda table: frozenset())
    opened = LakeReader(lake_settings, signals_live, marts, snapshot_seconds=60.0)
    yield opened
    opened.close()


def request(leaves_after_s: float = 3600.0) -> Request:
    """Of a client that waits for so long."""
    gone_at = time.monotonic() + leaves_after_s

    async def receive() -> Any:
        while time.monotonic() < gone_at:
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "GET", "path": "/", "headers": []}, receive)


def run(reader: LakeReader, work: Callable[[Asking], Awaitable[Any]]) -> Any:
    """On an event loop, whose longest pause is returned beside."""

    async def watched() -> Any:
        asking = Asking(reader, QUICK)
        try:
            return await work(asking)
        finally:
            while asking.is_busy:
                await asyncio.sleep(0.01)
            asking.close()

    return asyncio.run(watched())


def test_an_answer_comes_while_the_loop_goes_on(reader: LakeReader) -> None:
    """Other requests are served meanwhile."""

    async def work(asking: Asking) -> tuple[Any, float]:
        longest, is_over = 0.0, asyncio.Event()

        async def tick() -> None:
            nonlocal longest
            while not is_over.is_set():
                began = time.monotonic()
                await asyncio.sleep(0.005)
                longest = max(longest, time.monotonic() - began)

        ticking = asyncio.create_task(tick())
        found = await asking.rows(request(), "select sum(i)::bigint as s from range(30000000) t(i)", {})
        is_over.set()
        await ticking
        return found.to_pylist(), longest

    found, longest = run(reader, work)
    assert found == [{"s": 449999985000000}]
    assert longest < 0.5


def test_a_question_that_takes_too_long_is_ended(reader: LakeReader) -> None:
    """And its thread is free for the next one."""

    async def work(asking: Asking) -> Any:
        with pytest.raises(Problem) as problem:
            await asking.rows(request(), ENDLESS, {})
        assert problem.value.kind is Kind.TIMEOUT
        return await asking.rows(request(), "select 1 as one", {})

    assert run(reader, work).to_pylist() == [{"one": 1}]


def test_a_question_of_a_client_that_left_is_ended(reader: LakeReader) -> None:
    """Long before its deadline."""

    async def work(asking: Asking) -> None:
        with pytest.raises(ClientGone):
            await asking.rows(request(leaves_after_s=0.1), ENDLESS, {})

    run(reader, work)


def test_only_so_many_questions_wait(reader: LakeReader) -> None:
    """The next one is told to come again at once."""

    async def work(asking: Asking) -> list[Any]:
        asked = [asking.rows(request(), ENDLESS, {}) for _ in range(3)]
        return await asyncio.gather(*asked, return_exceptions=True)

    problems = run(reader, work)
    kinds = sorted(each.kind for each in problems)
    assert kinds == [Kind.TIMEOUT, Kind.TIMEOUT, Kind.UNAVAILABLE]
