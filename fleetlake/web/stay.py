"""How long a live stream goes on: as long as whoever listens would be let in anew, and with the same rights.
A key that is revoked, or a token that expires, ends the streams that it has opened."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fleetlake.web.answer import Answer

LOOK_AGAIN_SECONDS = 5.0


@asynccontextmanager
async def while_welcome(
    answer: Answer, is_welcome: Callable[[], Awaitable[bool]], on_end: Callable[[], None]
) -> AsyncIterator[None]:
    """Once the answer turns out to be a live stream, `is_welcome` is asked every few seconds. If not, or if
    nobody can say, the block is cancelled, `on_end` is told, and the answer ends as if it were whole."""
    looking: list[asyncio.Task[None]] = []
    is_at_work = True

    async def look() -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            if not await is_welcome():
                return

    def end(task: asyncio.Task[None]) -> None:
        if is_at_work and not task.cancelled():
            stay.reschedule(asyncio.get_running_loop().time())

    def begin() -> None:
        task = asyncio.create_task(look())
        task.add_done_callback(end)
        looking.append(task)

    try:
        async with asyncio.timeout(None) as stay:
            answer.on_stream = begin
            yield
    except TimeoutError:
        if not stay.expired():
            raise
    finally:
        is_at_work = False
        for task in looking:
            task.cancel()
    if stay.expired():
        on_end()
        await answer.end()
