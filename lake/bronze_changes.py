"""What versions of bronze added: the rows themselves, as a stream. Compaction moves rows and adds none.

The change feed is not to be relied on alone: where entries of the log have been cleaned up it leaves their
rows out without a word (delta-rs 1.6), and where a vacuum has removed compacted files it fails on the way.
Whoever reads it therefore compares the number of rows with that of the table, which only grows.
"""

from collections.abc import Iterator

import pyarrow as pa
from deltalake import DeltaTable

from lake.bronze import store_errors
from lake.schemas import BRONZE, BRONZE_EVENTS
from lake.storage import Storage


class AddedRows:
    """Rows that versions `after + 1` to `up_to` added, all columns of bronze."""

    def __init__(self, storage: Storage, after: int, up_to: int) -> None:
        self._storage, self._after, self._up_to = storage, after, up_to
        self.count = 0
        """How many were read so far."""

    def stream(self) -> pa.RecordBatchReader:
        """To be read once. Raises StoreUnavailable where the versions cannot be read."""
        with store_errors(self._storage):
            table = DeltaTable(
                self._storage.table(BRONZE_EVENTS.name), storage_options=self._storage.options()
            )
            found = table.load_cdf(
                starting_version=self._after + 1,
                ending_version=self._up_to,
                columns=[f'"{name}"' if name == "offset" else name for name in BRONZE.names],
                predicate="_change_type = 'insert'",
                allow_out_of_range=True,
            )
            reader = pa.RecordBatchReader.from_stream(found)
        return pa.RecordBatchReader.from_batches(reader.schema, self._counted(reader))

    def _counted(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        for batch in reader:
            self.count += batch.num_rows
            yield batch
