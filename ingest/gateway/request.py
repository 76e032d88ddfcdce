"""What a client asks, read from its HTTP request: everything that is no event is checked here, by name."""

import re
from collections.abc import Collection
from typing import Final

from fastapi import Request

from contracts.access import Scope
from contracts.limits import DEFAULT_LIMITS
from contracts.problem import Kind, Problem
from ingest.gateway.bodies import Asked
from ingest.gateway.body import unpacked

KEY_HEADER: Final = "Idempotency-Key"
KEY: Final = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
JSON: Final = re.compile(r"application/(?:json|[!#$&^_.+a-z0-9-]+\+json)")
CHARSETS: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})
MOST_VEHICLE: Final = DEFAULT_LIMITS.vehicle_chars


async def asked(request: Request, limit: int, sources: Collection[str], source: str | None) -> Asked:
    """The request as the gateway takes it; `source` is that of the path. A Problem says what is wrong."""
    principal = request.state.principal
    principal.require(Scope.INGEST)
    parameters = _parameters(request, {"vehicle"} if source else {"source", "vehicle"})
    wanted = source or parameters.get("source")
    if wanted is not None and wanted not in sources:
        raise invalid(field="source", detail=f"it is one of {', '.join(sources)}")
    vehicle = parameters.get("vehicle")
    if vehicle is not None and not 1 <= len(vehicle) <= MOST_VEHICLE:
        raise invalid(field="vehicle", detail=f"it has 1 to {MOST_VEHICLE} characters")
    key = _key(request)
    encoding = _encoding(request)
    _require_json(request)
    return Asked(principal, unpacked(await request.body(), encoding, limit), wanted, vehicle, key)


def invalid(field: str, detail: str) -> Problem:
    """One parameter that is not as it should be."""
    return Problem(Kind.INVALID_REQUEST, f"{field}: {detail}", errors=[{"field": field, "detail": detail}])


def _parameters(request: Request, known: Collection[str]) -> dict[str, str]:
    """Each at most once; one that nobody knows is probably a typing error."""
    if not request.scope["query_string"]:
        return {}
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise invalid(
                field=name[:100], detail=f"there is no such parameter; there is {' and '.join(sorted(known))}"
            )
        if name in given:
            raise invalid(field=name, detail="it is given twice")
        given[name] = value
    return given


def _key(request: Request) -> str | None:
    given = request.headers.getlist(KEY_HEADER)
    if not given:
        return None
    if len(given) > 1 or not KEY.fullmatch(given[0]):
        raise invalid(
            field=KEY_HEADER, detail="it is given once, and has 1 to 255 printable ASCII characters"
        )
    return given[0]


def _encoding(request: Request) -> str:
    encoding = ",".join(request.headers.getlist("content-encoding")).strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, "the body is packed by gzip, or not at all")
    return "gzip" if encoding.endswith("gzip") else ""


def _require_json(request: Request) -> None:
    """Not even a missing type passes: a page of another site can send a body without one, or as a form."""
    kind, _, rest = request.headers.get("content-type", "").lower().partition(";")
    match = re.search(r"charset\s*=\s*\"?([^\s;\"]*)", rest)
    if not JSON.fullmatch(kind.strip()) or (match and match[1] not in CHARSETS):
        raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json, in UTF-8")
