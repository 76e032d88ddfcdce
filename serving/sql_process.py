"""A question in SQL, in a process of its own that this one feeds, watches and ends: whatever it does to
that process, others are answered meanwhile."""

import asyncio
import json
import pickle
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from contracts.problem import Kind, Problem
from lake.query_child import MIB, NO, OK, SIZE, Order
from serving.asking import LOOK_SECONDS, ClientGone
from serving.settings import ServingSettings
from serving.site import Site

COMMAND = (
    "env",
    "MALLOC_ARENA_MAX=2",
    "ARROW_DEFAULT_MEMORY_POOL=system",
    sys.executable,
    "-m",
    "lake.query_child",
)
"""Allocators that reserve address space in advance would use up what the question may have."""

ROOT = Path(__file__).resolve().parent.parent
SPILL = "1GiB"
"""On disk, beside the memory."""

FRAMING = MIB
"""Of an answer, beside its form."""


async def asked(
    site: Site, sql: str, form: Callable[[pa.Table], bytes], is_gone: Callable[[], Awaitable[bool]]
) -> bytes:
    """The rows of one reading statement, in a form, which that process makes, too. Raises
    an `invalid-request` Problem that says why there are none, and a `timeout` one."""
    settings = site.settings
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="fleetlake-sql-"))
    try:
        order = pickle.dumps(_order(site, sql, form, folder))
        answer = await _run(order, settings, is_gone)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return _read(answer, settings)


def _order(site: Site, sql: str, form: Callable[[pa.Table], bytes], folder: Path) -> Order:
    settings = site.settings
    memory = f"{settings.sql_memory_mib // 2}MiB"
    query = site.lake_settings.query.model_copy(
        update={"memory_limit": memory, "temp_dir": folder, "temp_limit": SPILL, "threads": 1}
    )
    return Order(
        settings=site.lake_settings.model_copy(update={"query": query}),
        live=site.live,
        sql=sql,
        memory_mib=settings.sql_memory_mib,
        cpu_seconds=max(2, int(settings.sql_seconds) + 2),
        rows=settings.sql_rows,
        bytes=settings.sql_answer_mib * MIB,
        form=form,
    )


async def _run(order: bytes, settings: ServingSettings, is_gone: Callable[[], Awaitable[bool]]) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )
    reading = asyncio.create_task(_exchange(process, order, settings.sql_answer_mib * MIB + FRAMING))
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.sql_seconds
    try:
        while not reading.done():
            if loop.time() > deadline:
                raise Problem(
                    Kind.TIMEOUT, f"the query took more than {settings.sql_seconds:g} s: ask for less"
                )
            if await is_gone():
                raise ClientGone
            await asyncio.wait([reading], timeout=LOOK_SECONDS)
        return reading.result()
    finally:
        reading.cancel()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def _exchange(process: Any, order: bytes, most: int) -> bytes:
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(order)
        await process.stdin.drain()
        process.stdin.close()
    parts, size = [], 0
    while part := await process.stdout.read(MIB):
        parts.append(part)
        size += len(part)
        if size > most:
            break
    return b"".join(parts)


def _read(said: bytes, settings: ServingSettings) -> bytes:
    kind, content = said[:1], said[1:]
    if kind == NO:
        raise _refused(json.loads(content))
    size, answer = int.from_bytes(content[:SIZE], "big"), content[SIZE:]
    if kind == OK and len(answer) == size:  # else it was ended while it wrote
        return answer
    raise Problem(
        Kind.INVALID_REQUEST,
        f"the query needs more than it may have ({settings.sql_memory_mib} MiB of memory): ask for less",
    )


def _refused(said: dict[str, Any]) -> Problem:
    if said.get("is_away"):
        return Problem(Kind.UNAVAILABLE, "the lake does not answer now", headers={"Retry-After": "5"})
    where = {name: said[name] for name in ("line", "column") if said.get(name) is not None}
    return Problem(Kind.INVALID_REQUEST, str(said["problem"])[:2000], **where)
