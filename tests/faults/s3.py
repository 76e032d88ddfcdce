"""A lake whose store is reached through the fault proxy, and the requests that matter to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from deltalake import DeltaTable

from lake.settings import LakeSettings
from lake.storage import storage
from tests.faults.proxy import FaultProxy

COMMIT = r"^PUT /[^?]*/_delta_log/\d{20}\.json"
"""The request that makes a version of a Delta table."""

DATA = r"^(PUT|POST) /[^?]*\.parquet"
"""Requests that write a data file, whole or in parts."""


@dataclass(frozen=True, slots=True)
class FaultyLake:
    """The same lake twice: through the proxy, and past it."""

    proxy: FaultProxy
    settings: LakeSettings
    direct: LakeSettings


@contextmanager
def faulty(direct: LakeSettings, request_timeout_s: float = 60.0) -> Iterator[FaultyLake]:
    """A proxy before the lake's S3 server while the block runs."""
    address = urlsplit(direct.s3.endpoint_url or "")
    if address.hostname is None or address.port is None:
        raise ValueError(direct.s3.endpoint_url)
    with FaultProxy((address.hostname, address.port), http=True) as proxy:
        s3 = direct.s3.model_copy(
            update={"endpoint_url": f"http://{proxy.address}", "request_timeout_s": request_timeout_s}
        )
        yield FaultyLake(proxy, direct.model_copy(update={"s3": s3}), direct)


def offsets(lake: FaultyLake, table: str) -> list[int]:
    """The `offset` of every row of a table, in order, read past the proxy."""
    store = storage(lake.direct)
    found = DeltaTable(store.table(table), storage_options=store.options())
    return sorted(found.to_pyarrow_table(columns=["offset"])["offset"].to_pylist())
