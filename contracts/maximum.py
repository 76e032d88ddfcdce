"""The readings of a decoded batch that may be a vehicle's maximum, as columns."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.parts import MaximumOutput
from contracts.schema import TIME


def maximum_readings(decoded: pa.RecordBatch, output: MaximumOutput) -> pa.RecordBatch:
    """Columns row, vehicle_id, sensor, event_time, value, and one for each further signal of the document
    (null where the message has none), in the order of the messages."""
    lists = decoded.column("signals")
    flat = pc.list_flatten(lists)
    names, rows = pc.struct_field(flat, "signal"), pc.list_parent_indices(lists)
    hits = np.flatnonzero(pc.equal(names, output.signal))
    readings, of_row = flat.take(hits), rows.take(hits)
    columns = {"row": of_row, "vehicle_id": decoded.column("vehicle_id").take(of_row)}
    for name in ("sensor", "event_time", "value"):
        columns[name] = pc.struct_field(readings, name)
    for companion in output.companions:
        beside = np.flatnonzero(pc.equal(names, companion))
        values = np.full(len(decoded), np.nan)
        values[np.asarray(rows.take(beside))] = np.asarray(pc.struct_field(flat.take(beside), "value"))
        columns[companion] = pa.array(values[np.asarray(of_row)], from_pandas=True)
    kinds = {"row": pa.int64(), "event_time": TIME}
    return pa.RecordBatch.from_pydict(
        {name: column.cast(kinds.get(name, column.type)) for name, column in columns.items()}
    )
