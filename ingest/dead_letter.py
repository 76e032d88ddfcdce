"""The envelope around a message that was rejected whole: why, where it came from, and the message itself.

An envelope is always smaller than Kafka's default limit of 1 MB, whatever the message is: the event is cut,
and so are key and headers that would not fit. Size, hash and coordinates are those of the whole message,
which bronze keeps.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np

from broker.record import Headers
from ingest.decoding import DecodedRun
from ingest.outgoing import Outgoing

EVENT_BYTES = 64 * 1024
"""Of the event in an envelope. Escaped as JSON it may take six times as much."""

BESIDE_BYTES = 512 * 1024
"""Of key and headers; with the longest escaped event and Kafka's overhead this stays below 1 MB."""

HEADER_OVERHEAD = 16


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The value of a dead letter. `size` and `sha256` are of the whole event, null for a null payload."""

    error: str
    detail: str | None
    source: str
    source_topic: str
    partition: int
    offset: int
    contract_hash: str
    size: int | None
    sha256: str | None
    event: str | None
    event_encoding: Literal["text", "base64"] = "text"
    event_cut: bool = False
    key_dropped: bool = False
    headers_dropped: int = 0

    def event_bytes(self) -> bytes | None:
        """The event as it was received, up to where it was cut."""
        if self.event is None:
            return None
        return b64decode(self.event) if self.event_encoding == "base64" else self.event.encode()


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(DeadLetter)


def read_dead_letter(value: bytes) -> DeadLetter:
    """The inverse of what `dead_letters` writes. Raises msgspec.DecodeError on anything else."""
    return _decoder.decode(value)


def dead_letters(
    run: DecodedRun, topic: str, source: str, contract_hash: str, event_bytes: int = EVENT_BYTES
) -> Iterator[Outgoing]:
    """One message for every rejected row of the run, with the original key and headers."""
    errors = run.decoded["error"]
    if errors.null_count == len(errors):
        return
    records, partitions = run.records, run.partitions()
    rows = np.flatnonzero(errors.is_valid())
    reasons, details = errors.take(rows), run.decoded["error_detail"].take(rows)
    reasons_and_details = zip(reasons.to_pylist(), details.to_pylist(), strict=True)
    for row, (reason, detail) in zip(rows.tolist(), reasons_and_details, strict=True):
        value, limit = records.values[row], event_bytes
        key, headers = _beside(records.keys[row], records.headers[row], BESIDE_BYTES if limit else 0)
        event, encoding = _event_text(value, limit)
        letter = DeadLetter(
            error=reason,
            detail=detail,
            source=source,
            source_topic=records.topic,
            partition=partitions[row],
            offset=records.offsets[row],
            contract_hash=contract_hash,
            size=None if value is None else len(value),
            sha256=None if value is None else hashlib.sha256(value).hexdigest(),
            event=event,
            event_encoding=encoding,
            event_cut=value is not None and len(value) > limit,
            key_dropped=key is None and records.keys[row] is not None,
            headers_dropped=len(records.headers[row] or ()) - len(headers or ()),
        )
        yield Outgoing("dead_letter", topic, key, _encode(letter), headers)


def _event_text(value: bytes | None, limit: int) -> tuple[str | None, Literal["text", "base64"]]:
    """Text where the whole event is UTF-8, cut between characters; else base64."""
    if value is None:
        return None, "text"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return b64encode(value[:limit]).decode("ascii"), "base64"
    if len(value) > limit:
        text = value[:limit].decode(errors="ignore")
    return text, "text"


def _beside(key: bytes | None, headers: Headers | None, room: int) -> tuple[bytes | None, Headers | None]:
    """The key, then headers in their order, as far as there is room."""
    if not headers and (not key or len(key) <= room):
        return key, headers
    if key is not None and len(key) > room:
        key = None
    room -= len(key or b"")
    kept: Headers = []
    for name, value in headers or ():
        size = len(name.encode()) + len(value or b"") + HEADER_OVERHEAD
        if size <= room:
            kept.append((name, value))
            room -= size
    return key, kept if headers is not None else None
