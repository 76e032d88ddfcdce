"""What the gateway's OpenAPI document says of its routes, beside what FastAPI knows by itself."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from contracts.limits import DEFAULT_LIMITS
from contracts.problem import MEDIA_TYPE, STATUS, TYPE_PREFIX, Kind
from contracts.reasons import Reason
from ingest.gateway.documents import FORBIDDEN_VEHICLE
from ingest.gateway.request import KEY_HEADER

Schema = dict[str, Any]

DESCRIPTION: Final = """
Takes vehicle events and answers when Kafka has them: `202` means that every event was acknowledged by all
in-sync replicas, and each receipt says where it lies. Times are ISO 8601 in UTC; units are the source's.

Errors are `application/problem+json` (RFC 9457). A request with an `Idempotency-Key` may be sent again for a
day: its events are written once, also where the gateway or the broker was killed meanwhile.
"""

SENSOR: Final = {
    "sensor_id": "sensor_1",
    "timestamp": "2026-01-21T10:00:00Z",
    "temperature": 25.4,
    "humidity": 60.2,
    "location": {"latitude": 12.97, "longitude": 77.59},
}
CAR: Final = {
    "car_id": "CAR_001",
    "timestamp": "2026-02-25T21:28:17.376062+00:00",
    "speed": 59.83,
    "rpm": 2947,
    "engine_temp": 95.79,
    "fuel_level": 33.73,
    "latitude": 52.486,
    "longitude": 13.484548,
}
REASONS: Final = [*(reason.value for reason in Reason), FORBIDDEN_VEHICLE]

TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}


def _object(title: str, fields: Mapping[str, Schema], optional: Sequence[str] = ()) -> Schema:
    required = [name for name in fields if name not in optional]
    return {"title": title, "type": "object", "properties": dict(fields), "required": required}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


REASON: Final[Schema] = {
    "type": "string",
    "enum": REASONS,
    "description": "why; as in bronze and dead letters",
}
INDEX: Final[Schema] = COUNT | {"description": "place of the event in the request, from 0"}
FAULT: Final = _object(
    "FieldFault",
    {
        "field": TEXT | {"description": "as the event calls it"},
        "reason": REASON,
        "detail": TEXT | {"description": "what is wrong, in words"},
    },
)
EVENT_PROBLEM: Final = _object(
    "EventProblem", {"index": INDEX, "reason": REASON, "detail": TEXT, "fields": _list(FAULT)}
)
RECEIPT: Final = _object(
    "Receipt",
    {
        "index": INDEX,
        "source": TEXT,
        "topic": TEXT,
        "partition": COUNT,
        "offset": COUNT,
        "refused": _list(FAULT)
        | {"description": "readings of the event that its source does not take; the others count"},
    },
    optional=["refused"],
)
ANSWER: Final = _object(
    "Answer",
    {
        "accepted": COUNT,
        "rejected": COUNT,
        "receipts": _list(RECEIPT) | {"minItems": 1},
        "problems": _list(EVENT_PROBLEM),
    },
)
MORE: Final[Mapping[Kind, Mapping[str, Schema]]] = {
    Kind.INVALID_REQUEST: {"errors": _list(_object("Error", {"field": TEXT, "detail": TEXT}))},
    Kind.INVALID_EVENT: {"problems": _list(EVENT_PROBLEM) | {"minItems": 1}},
    Kind.TOO_LARGE: {"limit_bytes": COUNT, "limit_events": COUNT},
    Kind.UNAVAILABLE: {"receipts": _list(RECEIPT), "unknown": _list(INDEX)},
    Kind.INTERNAL: {"request_id": TEXT},
}
RETRY: Final = {"Retry-After": {"schema": {"type": "integer", "minimum": 0}, "description": "seconds"}}
REPLAYED: Final = {
    "Idempotency-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "the answer is that of an earlier request with this key",
    }
}
SAID: Final[Mapping[int, str]] = {
    400: "The request, or each of its events, is not valid",
    401: "No key, or one that nobody knows",
    403: "The key lacks the scope `ingest`, or the vehicle is of another fleet",
    404: "There is no source of this name",
    408: "The body came too slowly",
    409: "A request with this key is at work",
    413: "The body, what it unpacks to, or an event is too large, or there are too many events",
    415: "The body is no JSON by its Content-Type, or packed in another way than gzip",
    422: "The key came before with another request",
    429: "Too many requests of this client, or too many events wait for Kafka",
    431: "The headers are too large, or too many",
    500: "A defect",
    503: "Kafka is away, or MongoDB for a request with a key; nothing is pretended",
}


def responses(*, has_path: bool) -> dict[int | str, dict[str, Any]]:
    """Every answer that a route may give."""
    answers: dict[int | str, dict[str, Any]] = {
        202: _response("Every event was acknowledged", ANSWER, "application/json", REPLAYED),
        207: _response(
            "Some events were refused, the others acknowledged", ANSWER, "application/json", REPLAYED
        ),
    }
    for status, said in SAID.items():
        if status != 404 or has_path:
            headers = RETRY if status in (409, 429, 503) else {}
            answers[status] = _response(said, _problem(status), MEDIA_TYPE, headers)
    return answers


def operation(sources: Sequence[str], *, has_path: bool) -> dict[str, Any]:
    """Parameters and body of a route."""
    source = {
        "name": "source",
        "in": "path" if has_path else "query",
        "required": has_path,
        "schema": {"type": "string", "enum": list(sources)},
        "description": "whose events these are" if has_path else "default: the shape of each event decides",
    }
    vehicle = {
        "name": "vehicle",
        "in": "query",
        "schema": {"type": "string", "minLength": 1, "maxLength": DEFAULT_LIMITS.vehicle_chars},
        "description": "for sources whose events do not name their vehicle; others take their own",
    }
    key = {
        "name": KEY_HEADER,
        "in": "header",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "pattern": "^[!-~]([ -~]*[!-~])?$",
        },
        "description": "makes the request safe to send again for a day",
    }
    return {"parameters": [source, vehicle, key], "requestBody": _body()}


def _body() -> dict[str, Any]:
    event = {"title": "Event", "type": "object", "description": "as its source writes it; kept byte for byte"}
    many = {"title": "Events", "type": "array", "items": event, "minItems": 1}
    examples = {
        "sensor": {"summary": "one reading of a sensor", "value": SENSOR},
        "car": {"summary": "snapshots of cars", "value": [CAR]},
    }
    content = {"schema": {"oneOf": [event, many]}, "examples": examples}
    return {"required": True, "content": {"application/json": content}}


def _problem(status: int) -> Schema:
    kinds = [kind for kind, of in STATUS.items() if of == status]
    more = {name: schema for kind in kinds for name, schema in MORE.get(kind, {}).items()}
    fields = {
        "type": {"type": "string", "enum": [f"{TYPE_PREFIX}{kind}" for kind in kinds]},
        "title": TEXT,
        "status": {"type": "integer", "enum": [status]},
        "detail": TEXT,
        **more,
    }
    return _object("Problem", fields, optional=list(more))


def _response(said: str, schema: Schema, media: str, headers: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": said, "content": {media: {"schema": schema}}, "headers": dict(headers)}
