"""The columns that decoding gives, one row a message: what bronze stores and every sink reads."""

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")

SIGNAL = pa.struct(
    [
        pa.field("signal", pa.string()),
        pa.field("sensor", pa.string()),
        pa.field("event_time", TIME),
        pa.field("effective_time", TIME),
        pa.field("value", pa.float64()),
        pa.field("text", pa.string()),
    ]
)

REJECTED_SIGNAL = pa.struct(
    [
        pa.field("signal", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("raw", pa.string()),
    ]
)

DECODED = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("vehicle_id", pa.string()),
        pa.field("event_time", TIME),
        pa.field("received_time", TIME),
        pa.field("signals", pa.list_(pa.field("element", SIGNAL))),
        pa.field("rejected_signals", pa.list_(pa.field("element", REJECTED_SIGNAL))),
        pa.field("error", pa.string()),
        pa.field("error_detail", pa.string()),
        pa.field("contract_hash", pa.string()),
    ]
)
