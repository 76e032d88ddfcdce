"""Rows of one version of bronze as a stream, for whoever has to look at payloads: SQL cannot decode them."""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from lake.bronze import store_errors
from lake.duck import BATCH_ROWS
from lake.schemas import BRONZE, BRONZE_EVENTS, BRONZE_PARTITION
from lake.storage import Storage

READ_AHEAD = 2
"""Batches and files on their way at once: payloads are what bronze's memory goes to."""


def bronze_rows(storage: Storage, version: int, ingest_date: date | None = None) -> pa.RecordBatchReader:
    """All columns, to be read once; of one day of landing where it is given."""
    only = None if ingest_date is None else pc.field(BRONZE_PARTITION) == pa.scalar(ingest_date)
    with store_errors(storage):
        table = DeltaTable(
            storage.table(BRONZE_EVENTS.name), version=version, storage_options=storage.options()
        )
        dataset = table.to_pyarrow_dataset(filesystem=storage.files(BRONZE_EVENTS.name))
        scanner = dataset.scanner(
            columns=BRONZE.names,
            filter=only,
            batch_size=BATCH_ROWS,
            batch_readahead=READ_AHEAD,
            fragment_readahead=READ_AHEAD,
        )
        return scanner.to_reader()
