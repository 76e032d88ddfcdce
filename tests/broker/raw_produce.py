"""Writes what no client library writes: a Produce request by hand, in which header names are any bytes."""

import socket
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

RawHeaders = Sequence[tuple[bytes, bytes | None]]

PRODUCE, PRODUCE_VERSION = 0, 3
ALL_REPLICAS = -1
TIMEOUT_MS = 10_000
NO_PRODUCER = struct.pack(">qhi", -1, -1, -1)
CASTAGNOLI = 0x82F63B78


class RawRecord(NamedTuple):
    """A record of bytes only."""

    key: bytes | None
    value: bytes | None
    headers: RawHeaders = ()


def produce_raw(address: str, topic: str, *records: RawRecord, time_ms: int) -> None:
    """Writes one batch to partition 0, whose leader is at `address`; returns when it is acknowledged."""
    host, port = address.split(":")
    batch = _batch(records, time_ms)
    partition = struct.pack(">ii", 1, 0) + struct.pack(">i", len(batch)) + batch
    topics = struct.pack(">i", 1) + _text(topic) + partition
    head = struct.pack(">hhi", PRODUCE, PRODUCE_VERSION, 1) + _text("raw") + struct.pack(">h", -1)
    request = head + struct.pack(">hi", ALL_REPLICAS, TIMEOUT_MS) + topics
    with socket.create_connection((host, int(port)), TIMEOUT_MS / 1000) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb")
        (size,) = struct.unpack(">i", answer.read(4))
        response = answer.read(size)
    at = 4 + 4 + len(_text(topic)) + 4 + 4  # correlation, topics, name, partitions, partition
    (error,) = struct.unpack_from(">h", response, at)
    assert error == 0, f"Kafka's error {error}"


def _batch(records: Sequence[RawRecord], time_ms: int) -> bytes:
    """Magic 2: its checksum covers all that follows it."""
    count = len(records)
    covered = (
        struct.pack(">hiqq", 0, count - 1, time_ms, time_ms)
        + NO_PRODUCER
        + struct.pack(">i", count)
        + b"".join(_record(index, record) for index, record in enumerate(records))
    )
    checked = struct.pack(">ibI", -1, 2, _crc32c(covered)) + covered
    return struct.pack(">qi", 0, len(checked)) + checked


def _record(index: int, record: RawRecord) -> bytes:
    headers = b"".join(_counted(name) + _counted(value) for name, value in record.headers)
    body = (
        b"\0"
        + _varint(0)
        + _varint(index)
        + _counted(record.key)
        + _counted(record.value)
        + _varint(len(record.headers))
        + headers
    )
    return _counted(body)


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _counted(data: bytes | None) -> bytes:
    return _varint(-1) if data is None else _varint(len(data)) + data


def _varint(number: int) -> bytes:
    """Zigzag, seven bits a byte, the lowest first."""
    rest = number << 1 ^ number >> 63
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


def _crc32c(data: Iterable[int]) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (CASTAGNOLI if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
