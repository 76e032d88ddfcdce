"""Ends a static membership at once: for the embedded broker, which never ends one that is silent.

librdkafka sends no LeaveGroup for a static member, because a real broker ends it after session.timeout.ms.
The request is written by hand, for plain connections only, and never sent to another broker.
"""

import socket
import struct
from contextlib import closing

from broker.errors import BrokerUnavailable, ClientFailed
from broker.settings import KafkaSettings

LEAVE_GROUP, VERSION, CORRELATION = 13, 3, 1
GONE = frozenset({0, 25})
"""Error codes of a member that is no member any more: none, or UNKNOWN_MEMBER_ID."""

TIMEOUT_S = 3.0


def leave_group(settings: KafkaSettings, group: str, instance_id: str) -> None:
    """Takes the member out of the group, whether its process lives or was killed."""
    body = struct.pack(">hhi", LEAVE_GROUP, VERSION, CORRELATION) + b"".join(
        [_text("fleetlake"), _text(group), struct.pack(">i", 1), _text(""), _text(instance_id)]
    )
    doing = f"taking {instance_id} out of group {group}"
    try:
        answer = _ask(settings.bootstrap_servers.split(",")[0], struct.pack(">i", len(body)) + body)
    except OSError as error:
        raise BrokerUnavailable(settings.bootstrap_servers, doing, str(error)) from error
    codes = {*struct.unpack_from(">h", answer, 8), *struct.unpack_from(">h", answer, len(answer) - 2)}
    if not codes <= GONE:
        raise ClientFailed(doing, str(max(codes)), "the broker refused")


def _ask(address: str, request: bytes) -> bytes:
    """The answer's bytes: correlation id, throttle time, error code, members with an error code each."""
    host, _, port = address.rpartition(":")
    with closing(socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S)) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as answers:
            size = answers.read(4)
            answer = answers.read(*struct.unpack(">i", size)) if len(size) == 4 else b""
    if len(answer) < 14:
        raise ConnectionResetError(address)
    return answer


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">h", len(raw)) + raw
