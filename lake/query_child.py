"""One question of somebody who cannot be trusted, in a process of its own: `python -m lake.query_child`.
What it may use is bound before the question is read by DuckDB, so a question that takes too much ends this
process, and nothing else.

The parent writes an `Order` (pickled) and reads one `OK` or `NO` byte: then `SIZE` bytes that say how long
the answer is, and the answer in the form that was asked for, made here within the same bounds; or a JSON
object that says why there is none.
"""

import json
import os
import pickle
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa

from lake.errors import LakeError, QueryFailed, QueryRefused
from lake.live import LIVE, LiveSelect
from lake.locations import locations
from lake.query import Warehouse
from lake.settings import LakeSettings

OK: Final = b"A"
NO: Final = b"E"
SIZE: Final = 8
PAGE_BYTES: Final = resource.getpagesize()
MIB: Final = 2**20
WARM, WARM_LIVE = "select 1", f"select 1 from {LIVE} limit 0"  # noqa: S608 - our own name
"""Has every thread started that a question needs: their stacks are none of its memory."""


Form = Callable[[pa.Table], bytes]
"""A function of a module, which the child imports by its name."""


@dataclass(frozen=True, slots=True)
class Order:
    """A question, and what its answer may cost. `memory_mib` is beyond what the process has before it
    asks."""

    settings: LakeSettings
    live: LiveSelect
    sql: str
    memory_mib: int
    cpu_seconds: int
    rows: int
    bytes: int
    form: Form


class TooMuch(Exception):
    """The answer is larger than it may be."""


def run(order: Order, out: IO[bytes]) -> None:
    """Writes the answer, or why there is none."""
    try:
        with Warehouse(order.settings, order.live, tables_only=True) as warehouse:
            warehouse.query(WARM_LIVE if LIVE.partition(".")[2] in order.sql.lower() else WARM).table()
            _bind(order)
            rows = warehouse.query(order.sql)
            found = pa.Table.from_batches(list(_within(rows.batches, order)), rows.schema)
        answer = order.form(found)
        if len(answer) > order.bytes:
            raise _too_long(order)
        out.write(OK + len(answer).to_bytes(SIZE, "big"))
        out.write(answer)
    except (LakeError, TooMuch, MemoryError, pa.ArrowException) as error:
        out.write(NO + json.dumps(_reason(error, order)).encode())
    out.flush()


def _bind(order: Order) -> None:
    """Address space, and not memory in use: a request for more is refused, instead of granted and then
    paid for by other processes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    if pages:
        most = pages * PAGE_BYTES + order.memory_mib * MIB
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (order.cpu_seconds, order.cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _within(batches: Iterator[pa.RecordBatch], order: Order) -> Iterator[pa.RecordBatch]:
    rows = size = 0
    for batch in batches:
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows > order.rows:
            problem = f"the answer has more than {order.rows:,} rows: add a limit, or ask for less"
            raise TooMuch(problem)
        if size > order.bytes:
            raise _too_long(order)
        yield batch


def _too_long(order: Order) -> TooMuch:
    return TooMuch(f"the answer has more than {order.bytes:,} bytes: ask for less")


def _reason(error: Exception, order: Order) -> dict[str, Any]:
    """Without the lake's address, which is nobody's business."""
    root = locations(order.settings).root
    if isinstance(error, MemoryError | pa.ArrowMemoryError):
        return {"problem": f"the query needs more than {order.memory_mib} MiB"}
    problem = error.problem if isinstance(error, QueryFailed | QueryRefused) else str(error)
    said: dict[str, Any] = {"problem": problem.replace(root, "the lake")}
    if isinstance(error, QueryFailed) and error.line is not None:
        said |= {"line": error.line, "column": error.column}
    return said | {"is_away": not isinstance(error, QueryFailed | QueryRefused | TooMuch)}


def main() -> None:
    """Reads the order from its parent, the only one who writes to it."""
    order: Order = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        run(order, out)
        out.flush()
    os._exit(0)  # DuckDB's own end may want memory that it cannot have


if __name__ == "__main__":
    main()
