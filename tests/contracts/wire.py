"""Strategies for messages as they come: valid ones of every source, odd ones, and broken ones."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

T0_US = 1_761_559_635_123_000
"""2025-10-27T10:07:15.123Z"""

TIMES: st.SearchStrategy[Any] = st.sampled_from(
    [
        "2025-10-27T10:07:15.000Z",
        "2025-10-27T10:07:15Z",
        "2025-10-27 10:07:15.123Z",
        "2025-10-27T10:07:15.123456+00:00",
        "2025-10-27T12:07:15.5+02:00",
        "2025-10-27T12:07:15+0200",
        "2025-10-27T12:07:15-02",
        "2024-12-06T20:30:36.378404662Z",
        "2024-12-06T20:30:36.378404662123Z",
        "2024-12-06T20:30:36.3784046621234Z",
        "2024-12-06T20:30:36.37840466212345678Z",
        "2024-12-06T20:30:36.3784046621234+00:00",
        "2025-10-27t10:07:15,25z",
        "2025-10-27T10:07:15",
        "2025-10-27T10:07Z",
        "2025-10-27T10:07+01:00",
        "2025-02-29T00:00:00Z",
        "2024-02-29T00:00:00Z",
        "2025-10-27T24:00:00Z",
        "2025-10-27T10:07:60Z",
        "2025-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "1999-12-31T23:59:59.999999Z",
        "2000-01-01T00:00:00Z",
        "2261-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59.999999-23:59",
        "10/27/2025",
        "10:07:15",
        "90/02/2032",
        "3/7/2021",
        "",
        "yesterday",
        "1761559635000",
        "-1",
        "1.7615596351234567e12",
        1761559635000,
        1761559635000.5,
        1e400,
        0,
        True,
        None,
        [],
        {},
    ]
)

NAMES = st.sampled_from(
    [
        "odometer",
        "soc",
        "speed",
        "ignition_status",
        "VehicleSpeed",
        "Gear",
        "Location",
        "Vehicle.Speed",
        "temperature",
        "a.b",
        "$set",
        "ключ",
        "x" * 128,
        "x" * 129,
        "",
        "sp%eed",
        "Soc",
        "DetailedChargeState",
        'k"',
        "k\\",
    ]
)

NUMERALS = st.sampled_from(
    [
        "0",
        "1",
        "12.5",
        " 12.5 ",
        "+5",
        "-0",
        "1e2",
        ".5",
        "5.",
        "1e400",
        "NaN",
        "Infinity",
        "-inf",
        "0x10",
        "1_000",
        "",
        " ",
        "true",
        "OFF",
        "on",
        "P",
        "ShiftStateD",
        "Charging",
        "N",
        "x" * 4097,
        "é" * 2049,
        "\u0661",
    ]
)

SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 300),
    st.integers(-(2**70), 2**70),
    st.floats(-10, 300),
    st.floats(),
    NUMERALS,
    st.text(max_size=8),
)

ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)

VALUES = st.one_of(SCALARS, SCALARS, ANYTHING)
IDENTIFIERS = st.one_of(st.sampled_from(["981", "V 1", "é" * 128, "é" * 129, "v" * 257, ""]), SCALARS)


def _odd(likely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what belongs there."""
    return st.one_of(likely, likely, likely, ANYTHING)


def _fields(
    required: dict[str, st.SearchStrategy[Any]], optional: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    extra = st.dictionaries(NAMES, VALUES, max_size=2)
    base = st.fixed_dictionaries(required, optional=optional)
    return st.tuples(base, st.one_of(st.just({}), st.just({}), extra)).map(lambda two: {**two[1], **two[0]})


TCU = _fields(
    {"did": _odd(IDENTIFIERS), "name": _odd(NAMES)},
    optional={
        "timestamp": TIMES,
        "value_type": st.sampled_from(["0", "1", "2", 0, 1, 2, "3", "", None, 1.0, True]),
        "float_value": VALUES,
        "string_value": VALUES,
        "int_value": VALUES,
        "eventTime": TIMES,
        "receivedTime": TIMES,
    },
)
CAR = _fields(
    {
        "car_id": _odd(IDENTIFIERS),
        "timestamp": TIMES,
        "rpm": _odd(st.floats(0, 9000)),
        "engine_temp": _odd(st.floats(39, 151)),
        "fuel_level": _odd(st.integers(0, 101)),
        "latitude": _odd(st.floats(-91, 91)),
        "longitude": VALUES,
    },
    optional={"speed": VALUES},
)
ENVIRONMENT = _fields(
    {"vehicle_id": _odd(IDENTIFIERS), "timestamp": TIMES},
    optional={name: VALUES for name in ("latitude", "longitude", "speed", "temperature", "humidity")},
)
PRESSURE = _fields(
    {"timestamp": TIMES, "vehicleId": _odd(IDENTIFIERS)},
    optional={"pressure": VALUES, "temperature": VALUES, "sensorId": _odd(IDENTIFIERS)},
)
SENSOR = _fields(
    {"sensor_id": _odd(IDENTIFIERS), "timestamp": TIMES},
    optional={
        "temperature": VALUES,
        "humidity": VALUES,
        "location": st.one_of(
            VALUES, _fields({}, {"latitude": VALUES, "longitude": VALUES, "altitude": VALUES})
        ),
    },
)
_WRAPPED = st.one_of(
    SCALARS,
    st.dictionaries(
        st.sampled_from(["doubleValue", "stringValue", "booleanValue", "locationValue", "invalid"]),
        st.one_of(
            SCALARS,
            st.dictionaries(st.sampled_from(["latitude", "longitude", "altitude"]), VALUES, max_size=3),
        ),
        min_size=1,
        max_size=2,
    ),
    st.just({"invalid": True}),
    SCALARS.map(lambda value: {"doubleValue": value}),
    SCALARS.map(lambda value: {"stringValue": value}),
)
TESLA = _fields(
    {
        "data": _odd(
            st.lists(_odd(st.fixed_dictionaries({"key": _odd(NAMES), "value": _WRAPPED})), max_size=4)
        ),
        "createdAt": TIMES,
        "vin": _odd(IDENTIFIERS),
    },
    optional={"isResend": VALUES},
)
VSS = _fields({"path": _odd(NAMES), "value": VALUES, "ts": TIMES, "vin": _odd(IDENTIFIERS)}, optional={})
TWIZY = _fields(
    {
        "Date": _odd(
            st.sampled_from(["03/29/2021", "6/7/2021", "90/02/2032", "30/00/2001", "", "2/30/2021"])
        ),
        "Time": _odd(st.sampled_from(["11:13:45", "1:02:03.5", "24:00:00", "", "11:13:60", "02:30:00"])),
    },
    optional={
        name: VALUES
        for name in ("Soc", "Speed", "Mode", "LAT", "LON", "Weather", "WindSpeedAv", "SpeedLimit")
    },
)

MESSAGES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "tcu": TCU,
    "car": CAR,
    "environment": ENVIRONMENT,
    "pressure": PRESSURE,
    "sensor": SENSOR,
    "tesla": TESLA,
    "vss": VSS,
    "twizy": TWIZY,
}

STYLES: list[Callable[[Any], str]] = [
    lambda value: json.dumps(value, separators=(",", ":")),
    lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False),
    json.dumps,
    lambda value: json.dumps(value, indent=2, separators=(" ,", " : ")),
]


@st.composite
def payloads(draw: st.DrawFn, source: str) -> bytes | None:
    """A message of a source: mostly good JSON, in several styles, some of it damaged."""
    fields = draw(MESSAGES[source])
    payload = draw(st.sampled_from(STYLES))(fields).encode("utf-8", "surrogatepass")
    broken: bytes | None = payload
    match draw(st.integers(0, 19)):
        case 0:
            broken = payload[: draw(st.integers(0, len(payload)))]
        case 1:
            broken = draw(st.sampled_from(BROKEN))
        case 2:
            key, value = draw(NAMES | st.sampled_from(sorted(fields) or ["a"])), draw(SCALARS)
            broken = payload[:-1] + f",{json.dumps(key)}:{json.dumps(value)}}}".encode()
        case 3:
            where = draw(st.integers(0, len(payload)))
            broken = payload[:where] + draw(st.binary(min_size=1, max_size=2)) + payload[where:]
    return broken


BROKEN: list[bytes | None] = [
    None,
    b"",
    b"null",
    b"[]",
    b"{}",
    b"[1,2]",
    b'"text"',
    b"12",
    b"NaN",
    b"{",
    b'{"a":1}{"a":1}',
    b'{"a":1},{"b":2}',
    b"\xff\xfe",
    b'{"did":"\xff"}',
    b'\xef\xbb\xbf{"did":"1"}',
    b'{"a":"\\ud800"}',
    b"[" * 100_000,
    b'{"a":' * 50 + b"1" + b"}" * 50,
    b'{"a":' * 10 + b"1" + b"}" * 10,
    b'{"a":"' + b"x" * 300_000 + b'"}',
]

KEYS = st.sampled_from([b"T1", b"V 1", b"\xc3\xa9", b"\xff", b"", None])
HEADERS = st.sampled_from(
    [
        None,
        [],
        [("receivedat", b"1761559635000")],
        [("receivedat", b"2025-10-27T10:07:15Z")],
        [("receivedat", b"\xff")],
        [("receivedat", b"")],
        [("receivedat", None)],
        [("other", b"1"), ("receivedat", b"1"), ("receivedat", b"1761559635123")],
    ]
)
ABSURD_KAFKA_TIMES = (T0_US, T0_US * 1000, 2**63 - 1, -(2**63))
"""Microseconds and nanoseconds where Kafka means milliseconds, and what its field can hold at most."""
KAFKA_TIMES: st.SearchStrategy[Any] = st.sampled_from(
    [-1, T0_US // 1000, T0_US // 1000 - 300_123, T0_US // 1000 - 300_122, 2**52, *ABSURD_KAFKA_TIMES]
)
