"""Single results as the columns of `DECODED`."""

from collections.abc import Sequence

import pyarrow as pa

from contracts.model import Contract
from contracts.result import Decoded, Rejected
from contracts.schema import DECODED, REJECTED_SIGNAL, SIGNAL


def assemble(contract: Contract, results: Sequence[Decoded | Rejected]) -> pa.RecordBatch:
    """One row a result, in order."""
    errors = [result.reason.value if isinstance(result, Rejected) else None for result in results]
    details = [result.detail if isinstance(result, Rejected) else result.note for result in results]
    columns = [
        pa.repeat(contract.name, len(results)),
        pa.array([result.vehicle_id for result in results], pa.string()),
        pa.array([result.event_time for result in results], DECODED.field("event_time").type),
        pa.array([result.received_time for result in results], DECODED.field("received_time").type),
        signal_lists(results),
        rejected_lists(results),
        pa.array(errors, pa.string()),
        pa.array(details, pa.string()),
        pa.repeat(contract.hash, len(results)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=DECODED)


def signal_lists(results: Sequence[Decoded | Rejected]) -> pa.Array:
    """The accepted signals of each result; none for a rejected one."""
    per_row = [() if isinstance(result, Rejected) else result.signals for result in results]
    flat = [signal for signals in per_row for signal in signals]
    fields = [pa.array([getattr(one, field.name) for one in flat], field.type) for field in SIGNAL]
    return _lists([len(signals) for signals in per_row], fields, pa.list_(pa.field("element", SIGNAL)))


def rejected_lists(results: Sequence[Decoded | Rejected]) -> pa.Array:
    """The refused signals of each result."""
    flat = [signal for result in results for signal in result.rejected_signals]
    columns = [[one.signal for one in flat], [one.reason.value for one in flat], [one.raw for one in flat]]
    fields = [pa.array(column, pa.string()) for column in columns]
    kind = pa.list_(pa.field("element", REJECTED_SIGNAL))
    return _lists([len(result.rejected_signals) for result in results], fields, kind)


def _lists(lengths: Sequence[int], fields: Sequence[pa.Array], kind: pa.ListType) -> pa.Array:
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    structs = pa.StructArray.from_arrays(fields, fields=list(kind.value_type))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), structs, type=kind)
