"""Whole Kafka messages as JSON lines, so that a simulation written to a file can be sent later, byte for
byte: `{"topic":...,"key":...,"headers":{...},"value":...}`. Bytes that are no UTF-8 text stand as base64
under `key_base64` and `value_base64`."""

import base64
import binascii
from typing import Any, Final, NamedTuple

import msgspec

from simulate.parcel import Headers, Parcel

BEGINNING: Final = b'{"topic":'
KEYS: Final = {"topic", "key", "key_base64", "headers", "value", "value_base64"}


class Wrapped(NamedTuple):
    """A message that was wrapped."""

    topic: str
    key: bytes | None
    headers: Headers
    payload: bytes | None


def wrap(parcel: Parcel) -> bytes:
    """One line, without its end."""
    line: dict[str, Any] = {"topic": parcel.topic, **_as_text("key", parcel.key)}
    if parcel.headers:
        line["headers"] = {name: (value or b"").decode("utf-8") for name, value in parcel.headers}
    return msgspec.json.encode(line | _as_text("value", parcel.payload))


def unwrap(line: bytes) -> Wrapped | None:
    """The message in a line; None for a line that is a message itself."""
    if not line.startswith(BEGINNING):
        return None
    try:
        found = msgspec.json.decode(line)
        if not isinstance(found, dict) or not found.keys() <= KEYS or not isinstance(found["topic"], str):
            return None
        headers = [(name, str(value).encode()) for name, value in found.get("headers", {}).items()]
        return Wrapped(found["topic"], _as_bytes(found, "key"), headers, _as_bytes(found, "value"))
    except (msgspec.DecodeError, KeyError, AttributeError, binascii.Error):
        return None


def _as_text(name: str, data: bytes | None) -> dict[str, str | None]:
    if data is None:
        return {name: None}
    try:
        return {name: data.decode("utf-8")}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode("ascii")}


def _as_bytes(found: dict[str, Any], name: str) -> bytes | None:
    """Raises KeyError or AttributeError where the line is none of ours."""
    packed = found.get(f"{name}_base64")
    if packed is not None:
        return base64.b64decode(packed, validate=True)
    text: str | None = found[name]
    return None if text is None else text.encode()
