"""What a request says of itself, before anybody has looked into its body."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from starlette.types import Scope

from contracts.problem import Kind, Problem
from fleetlake.web.addresses import (
    Networks,
    block_of,
    client_address,
    host_name,
    is_in,
    is_loopback,
    is_loopback_name,
)

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
UNSAFE_IN_PATH = re.compile(r"[\x00-\x1f\x7f\\]|//|/\.{1,2}(?:/|$)")
"""Control characters, backslashes, empty and dot segments: no route has them, and what stands before or
behind us may take them for another path."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: who sends it, for what."""

    request_id: str
    method: str
    path: str
    peer: str
    client: str
    """Its address, which is another one than the peer's behind a trusted proxy."""

    headers: Sequence[tuple[bytes, bytes]]

    @classmethod
    def of(cls, scope: Scope, proxies: Networks) -> Self:
        """Of an ASGI scope; the header names in it are lower-case."""
        headers = scope["headers"]
        peer = scope["client"][0] if scope.get("client") else "unknown"
        given = None
        client = peer
        if proxies and is_in(peer, proxies):
            forwarded = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
            client = client_address(peer, forwarded, proxies)
            given = next(
                (value.decode("latin-1") for name, value in headers if name == b"x-request-id"), None
            )
        is_good = given is not None and REQUEST_ID.fullmatch(given)
        request_id = given if given is not None and is_good else secrets.token_hex(16)
        return cls(request_id, scope["method"], scope["path"], peer, client, headers)

    def header(self, name: bytes) -> str | None:
        """The value of a header that may come once; a Problem where it comes more often."""
        values = [value for key, value in self.headers if key == name]
        if len(values) > 1:
            raise Problem(Kind.INVALID_REQUEST, f"the header {name.decode().title()} comes more than once")
        return values[0].decode("latin-1") if values else None

    def require_a_plain_path(self) -> None:
        """There is no route that such a path could mean."""
        if not self.path.startswith("/") or UNSAFE_IN_PATH.search(self.path):
            raise Problem(Kind.NOT_FOUND, "there is no such route")

    @property
    def is_from_here(self) -> bool:
        """Whether it comes from this machine, and nobody else's request is behind it."""
        is_forwarded = any(name in (b"x-forwarded-for", b"forwarded") for name, _ in self.headers)
        return is_loopback(self.peer) and not is_forwarded and self.names_this_machine

    @property
    def names_this_machine(self) -> bool:
        """Whether it asks for a loopback name. A page of the internet can make its own name point to the
        loopback address and ask from a browser here, but it cannot make the browser name another host."""
        host = self.header(b"host")
        return host is not None and is_loopback_name(host_name(host))

    @property
    def place(self) -> str:
        """Where limits count it. Of IPv6, who has one address has 2^64 of them. No key's name looks so."""
        return f"@{block_of(self.client)}"
