"""Questions to the stores from the event loop, which never waits for one: each runs on a thread. Those to
the lake have a deadline, end when their client is gone, and are as many at a time as the settings allow."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
from starlette.requests import Request

from contracts.problem import Kind, Problem
from lake.reading import LakeReader, Outlook, Question, QuestionEnded
from serving.settings import ServingSettings

LOOK_SECONDS = 0.25
"""How often it is looked whether the client still waits."""

END_AGAIN_SECONDS = 0.05
RETRY_AFTER = {"Retry-After": "1"}

T = TypeVar("T")


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class Asking:
    """The threads of one application."""

    def __init__(self, lake: LakeReader, settings: ServingSettings) -> None:
        self.lake, self._settings = lake, settings
        self._for_lake = ThreadPoolExecutor(settings.query_threads, "lake")
        self._for_state = ThreadPoolExecutor(settings.state_threads, "state")
        self._under_way = 0
        self._ending: set[asyncio.Task[None]] = set()

    async def state(self, ask: Callable[[], T]) -> T:
        """What `ask` returns, which asks MongoDB."""
        return await asyncio.get_running_loop().run_in_executor(self._for_state, ask)

    async def outlook(self, request: Request) -> Outlook:
        """Where the newest of each day is."""
        return await self._asked(request, lambda question: self.lake.outlook())

    async def rows(self, request: Request, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        """The answer to a question of our own. Raises a `timeout` Problem where it takes too long, and an
        `unavailable` one where too many are waiting."""
        return await self._asked(request, lambda question: self.lake.ask(question, sql, parameters))

    async def _asked(self, request: Request, ask: Callable[[Question], T]) -> T:
        if self._under_way >= self._settings.query_threads + self._settings.query_waiting:
            raise Problem(Kind.UNAVAILABLE, "too many questions are waiting: ask again", headers=RETRY_AFTER)
        question = self.lake.question()
        running = self._for_lake.submit(partial(ask, question))
        self._under_way += 1
        answer = asyncio.wrap_future(running)
        try:
            return await self._watched(request, answer)
        finally:
            self._under_way -= 1
            if answer.done() and not answer.cancelled():
                question.close()
            else:
                running.cancel()
                ending = asyncio.get_running_loop().create_task(_ended(question, answer))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)

    async def _watched(self, request: Request, answer: "asyncio.Future[T]") -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.query_seconds
        while True:
            await asyncio.wait([answer], timeout=LOOK_SECONDS)
            if answer.done():
                return answer.result()
            if await request.is_disconnected():
                raise ClientGone
            if loop.time() > deadline:
                seconds = self._settings.query_seconds
                raise Problem(Kind.TIMEOUT, f"the answer took more than {seconds:g} s: ask for less")

    @property
    def is_busy(self) -> bool:
        """Whether a question is under way, or being ended."""
        return self._under_way > 0 or bool(self._ending)

    def close(self) -> None:
        """Waits for what is under way."""
        self._for_lake.shutdown(cancel_futures=True)
        self._for_state.shutdown(cancel_futures=True)


async def _ended(question: Question, answer: "asyncio.Future[Any]") -> None:
    """Until the question is over, or never began."""
    while not answer.done():
        question.end()
        await asyncio.wait([answer], timeout=END_AGAIN_SECONDS)
    with suppress(asyncio.CancelledError, QuestionEnded, Exception):  # nobody wants the answer
        answer.result()
    question.close()
