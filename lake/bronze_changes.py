"""What versions of bronze added: the rows themselves, as a stream. Compaction moves rows and adds none."""

import pyarrow as pa
from deltalake import DeltaTable

from lake.bronze import store_errors
from lake.schemas import BRONZE, BRONZE_EVENTS
from lake.storage import Storage


def added_rows(storage: Storage, after: int, up_to: int) -> pa.RecordBatchReader:
    """All columns of bronze, of rows that versions `after + 1` to `up_to` added."""
    with store_errors(storage):
        table = DeltaTable(storage.table(BRONZE_EVENTS.name), storage_options=storage.options())
        found = table.load_cdf(
            starting_version=after + 1,
            ending_version=up_to,
            columns=[f'"{name}"' if name == "offset" else name for name in BRONZE.names],
            predicate="_change_type = 'insert'",
            allow_out_of_range=True,
        )
    return pa.RecordBatchReader.from_stream(found)
