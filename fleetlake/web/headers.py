"""Headers of every answer: they keep the page's code to its own origin, the page out of others' frames, and
telemetry out of caches. An application's own value of one of them wins."""

from collections.abc import Sequence

Headers = list[tuple[bytes, bytes]]

PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # the map sets sizes and places of its parts by style attributes
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self' blob:",  # the map's workers are made from its own code
        "child-src blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

SAFE: Sequence[tuple[bytes, bytes]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", PAGE_POLICY.encode()),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


def with_safe_headers(headers: Headers, extra: Sequence[tuple[bytes, bytes]]) -> Headers:
    """The headers of an answer, `extra` instead of its own of that name, and those that are missing."""
    names = {name.lower() for name, _ in headers}
    replaced = {name for name, _ in extra} - {b"vary"}  # which adds up
    if not names.isdisjoint(replaced):
        headers = [each for each in headers if each[0].lower() not in replaced]
    names |= replaced
    return [*headers, *extra, *(each for each in SAFE if each[0] not in names)]
