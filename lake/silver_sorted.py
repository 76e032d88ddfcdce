"""Files of a day of silver as others that hold the same rows in order. DuckDB sorts, within
FLEETLAKE_LAKE__QUERY__MEMORY_LIMIT, and spills the rest.

delta-rs' z-order is not used: it compares the first 14 bytes of a vehicle's name, so that a fleet whose VINs
begin alike stays unsorted, and it does not keep a vehicle's readings in order (1.6).
"""

from collections.abc import Iterator

import pyarrow as pa
from deltalake.transaction import AddAction

from lake.bronze import store_errors
from lake.engine import Engine, engine
from lake.errors import RewriteDiffers
from lake.schemas import SILVER, SILVER_SIGNALS
from lake.settings import LakeSettings
from lake.sorted_files import SortedFiles
from lake.storage import storage
from lake.table_files import MIB, Fragments

DAY = SILVER_SIGNALS.partition_by[0]
ORDER = ("vehicle_id", "signal", "event_time")
"""As the model of silver has it: who asks for a vehicle reads the few groups that it is in."""

COLUMNS = pa.schema(field for field in SILVER if field.name != DAY)
"""Of a file: the day is the folder's."""

WITH_BOUNDS = ("vehicle_id", "signal", "event_time", "effective_time", "topic_id", "partition", "offset")


def in_order(settings: LakeSettings, old: Fragments) -> list[AddAction]:
    """The files that hold the rows of `old`; invisible until a commit adds them. After any exception nothing
    of them is left where the store answers."""
    file_bytes = settings.maintenance.file_mib * MIB
    store = storage(settings)
    files = SortedFiles(store, SILVER_SIGNALS.name, (DAY, old.partition), file_bytes, WITH_BOUNDS)
    with engine(settings) as duck, store_errors(store):
        written = files.write(_rows(duck, old), COLUMNS)
    if files.rows != old.rows:
        files.discard()
        raise RewriteDiffers(SILVER_SIGNALS.name, old.partition, old.rows, files.rows)
    return written


def _rows(duck: Engine, old: Fragments) -> Iterator[pa.RecordBatch]:
    duck.open_files(SILVER_SIGNALS.name, [file.path for file in old.files])
    names = ", ".join(f'"{name}"' for name in COLUMNS.names)
    order = ", ".join(f'"{name}"' for name in ORDER)
    return duck.batches(f"select {names} from {SILVER_SIGNALS.name} order by {order}")  # noqa: S608 - our names
