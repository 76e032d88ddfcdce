"""What is wrong with a request, as RFC 9457 has it: every HTTP interface answers errors in this one form."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What kinds there are; each has one status. `docs/api.md` says what to do about each."""

    INVALID_REQUEST = "invalid-request"
    INVALID_EVENT = "invalid-event"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    NOT_ACCEPTABLE = "not-acceptable"
    TIMEOUT = "timeout"
    IN_PROGRESS = "in-progress"
    TOO_LARGE = "too-large"
    HEADERS_TOO_LARGE = "headers-too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    KEY_REUSED = "key-reused"
    TOO_MANY_REQUESTS = "too-many-requests"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"


STATUS: Mapping[Kind, int] = {
    Kind.INVALID_REQUEST: 400,
    Kind.INVALID_EVENT: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.NOT_ACCEPTABLE: 406,
    Kind.TIMEOUT: 408,
    Kind.IN_PROGRESS: 409,
    Kind.TOO_LARGE: 413,
    Kind.HEADERS_TOO_LARGE: 431,
    Kind.UNSUPPORTED_MEDIA_TYPE: 415,
    Kind.KEY_REUSED: 422,
    Kind.TOO_MANY_REQUESTS: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
}

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:fleetlake:problem:"


class Problem(Exception):
    """A request is not answered as it was asked. `headers` go with the answer; `more` are further members of
    the document, for programs: nothing of the inside of the platform."""

    def __init__(
        self, kind: Kind, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        self.kind, self.detail, self.headers, self.more = kind, detail, dict(headers or {}), more
        super().__init__(f"{kind}: {detail}")

    @property
    def status(self) -> int:
        return STATUS[self.kind]

    def document(self) -> dict[str, Any]:
        """The members of the answer."""
        return {
            "type": f"{TYPE_PREFIX}{self.kind}",
            "title": self.kind.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
