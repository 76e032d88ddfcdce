"""Pages of other origins. None may ask unless the settings name it; and where nobody authenticates, a foreign
page must not be able to send either, even though it could not read the answer."""

from collections.abc import Collection

from contracts.problem import Kind, Problem
from fleetlake.web.addresses import host_name
from fleetlake.web.asked import Asked

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
EXPOSED = b"ETag, Idempotency-Replayed, Link, Retry-After, X-Next-Cursor, X-Request-Id"
ALLOWED_METHODS = b"GET, HEAD, POST"
ALLOWED_HEADERS = (
    b"Accept, Authorization, Content-Encoding, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID"
)
PREFLIGHT_SECONDS = b"600"

Headers = list[tuple[bytes, bytes]]


def is_preflight(asked: Asked) -> bool:
    """Whether a browser asks what a page may send."""
    return (
        asked.method == "OPTIONS"
        and asked.header(b"origin") is not None
        and asked.header(b"access-control-request-method") is not None
    )


def preflight_headers(asked: Asked, origins: Collection[str]) -> Headers:
    """The answer to a preflight; a Problem where the origin may not ask."""
    if asked.header(b"origin") not in origins:
        raise Problem(Kind.FORBIDDEN, "pages of this origin may not ask here")
    return [
        (b"access-control-allow-methods", ALLOWED_METHODS),
        (b"access-control-allow-headers", ALLOWED_HEADERS),
        (b"access-control-max-age", PREFLIGHT_SECONDS),
    ]


def cross_origin_headers(asked: Asked, origins: Collection[str]) -> Headers:
    """What lets the browser show the answer to a page of an allowed origin."""
    if not origins:
        return []
    vary = (b"vary", b"Origin")
    origin = next((value for name, value in asked.headers if name == b"origin"), b"")
    if origin.decode("latin-1") not in origins:
        return [vary]
    return [
        vary,
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", EXPOSED),
        (b"cross-origin-resource-policy", b"cross-origin"),
    ]


def require_own_page(asked: Asked, origins: Collection[str]) -> None:
    """A Problem for what another site's page sends. Newer browsers say whose page it is, older ones at least
    its origin; programs send neither."""
    if asked.method in SAFE_METHODS:
        return
    origin = asked.header(b"origin")
    if origin in origins and origin is not None:
        return
    is_foreign = asked.header(b"sec-fetch-site") not in (None, "none", "same-origin")
    if is_foreign or (origin is not None and not _is_own(origin, asked.header(b"host") or "")):
        raise Problem(Kind.FORBIDDEN, "pages of other origins may not send here")


def _is_own(origin: str, host: str) -> bool:
    """Whether the origin is the address that was asked: a name alone is not, another port is another page."""
    _, separator, authority = origin.partition("://")
    return bool(separator) and bool(host_name(host)) and authority == host
