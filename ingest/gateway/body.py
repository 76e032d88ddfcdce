"""From the bytes of a request to the bytes of its events, each as it was received, in bounded memory:
whatever a body unpacks to, and however it is nested, it costs no more than its limit allows."""

import zlib
from typing import Final

import msgspec

from contracts.problem import Kind, Problem
from contracts.reasons import Reason
from ingest.gateway.documents import EventProblem, nothing_taken
from ingest.gateway.settings import GatewaySettings

WHITE: Final = b" \t\r\n"
GZIP: Final = 16 + zlib.MAX_WBITS
MOST_MEMBERS: Final = 16
"""Parts of one gzip body: programs write one, and each costs a copy of what follows it."""

BYTES_PER_ITEM: Final = 8
"""An array with less on average is no array of events; it would become millions of objects before anybody has
counted them."""

_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """The body itself, or what gzip made it of; a Problem where that is more than the limit."""
    if encoding == "gzip":
        return _gunzipped(body, limit)
    if len(body) > limit:
        raise _too_large(limit)
    return body


def events_of(body: bytes, settings: GatewaySettings) -> tuple[list[bytes], bool]:
    """The events, and whether the body is one event and no array. Elements keep their own bytes."""
    start = body.lstrip(WHITE)[:1]
    if not start:
        raise _invalid(detail="it is empty: send one event, or an array of events")
    if start != b"[":
        return [body], True
    if body.count(b",") >= max(settings.max_events, len(body) // BYTES_PER_ITEM):
        raise _too_many(settings.max_events)
    elements = _elements(body)
    if not elements:
        raise _invalid(detail="the array is empty: send one event, or an array of events")
    if len(elements) > settings.max_events:
        raise _too_many(settings.max_events)
    return [bytes(element) for element in elements], False


def _elements(body: bytes) -> list[msgspec.Raw]:
    try:
        return _ARRAY.decode(body)
    except RecursionError:
        refused = EventProblem(0, Reason.TOO_LARGE, "objects and arrays are nested too deeply")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        refused = EventProblem(0, Reason.MALFORMED_JSON, f"the array is no JSON: {error}")
    raise nothing_taken([refused], is_single=True)


def _gunzipped(body: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    for _ in range(MOST_MEMBERS):
        member = zlib.decompressobj(GZIP)
        try:
            part = member.decompress(body, limit - size + 1)
        except zlib.error:
            raise _invalid(detail="it is no gzip, though Content-Encoding says so") from None
        parts.append(part)
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        if not member.eof:
            raise _invalid(detail="the gzip stream ends too early")
        body = member.unused_data
        if not body:
            return b"".join(parts)
    raise _invalid(detail=f"a gzip stream of more than {MOST_MEMBERS} parts")


def _too_large(limit: int) -> Problem:
    return Problem(Kind.TOO_LARGE, f"the body has more than {limit} bytes", limit_bytes=limit)


def _too_many(limit: int) -> Problem:
    return Problem(Kind.TOO_LARGE, f"an array of more than {limit} events", limit_events=limit)


def _invalid(detail: str) -> Problem:
    errors = [{"field": "body", "detail": detail}]
    return Problem(Kind.INVALID_REQUEST, f"body: {detail}", errors=errors)
