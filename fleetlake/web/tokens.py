"""Tokens of an OpenID Connect provider: signed by one of its keys with an algorithm that only its private key
can make, for us, by it, and now. Checking one never holds up other requests."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import structlog

from contracts.access import Principal, Scope
from contracts.problem import Kind, Problem
from fleetlake.web.settings import HttpSettings
from fleetlake.web.signing_keys import ProviderAway, SigningKeys

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Public-key ones only: with an HS algorithm, whoever has the public key could sign, and `none` is no
signature at all."""

MUST_BE_UNDERSTOOD = {"crit", "b64"}
"""Headers that change what a token means; we know none of those meanings."""

LEEWAY_SECONDS = 30
MOST_BYTES = 8 * 1024
THREADS = 4
RETRY_SECONDS = "5"
NAME_LENGTH = 128


class Tokens:
    """Says whose a token is."""

    def __init__(self, http: HttpSettings, keys: SigningKeys | None = None) -> None:
        self._http = http
        self._keys = keys or SigningKeys(http)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="tokens")

    async def principal(self, token: str) -> Principal | None:
        """Whose token it is; None where it is no good, a Problem where nobody can say."""
        if len(token) > MOST_BYTES or not _is_worth_checking(token):
            return None
        try:
            claims = await asyncio.get_running_loop().run_in_executor(self._threads, self._claims, token)
        except ProviderAway as error:
            structlog.get_logger().warning("identity_provider_away", reason=str(error))
            detail = "tokens cannot be checked now: the identity provider does not answer"
            raise Problem(Kind.UNAVAILABLE, detail, headers={"retry-after": RETRY_SECONDS}) from None
        return None if claims is None else self._principal_of(claims)

    def _claims(self, token: str) -> Mapping[str, Any] | None:
        try:
            key = self._keys.find(_header(token).get("kid"))
            if key is None:
                return None
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=ALGORITHMS,
                audience=self._http.oidc_audience,
                issuer=self._http.oidc_issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            return None  # whatever is wrong with it, it is not good
        return claims

    def _principal_of(self, claims: Mapping[str, Any]) -> Principal:
        known = {scope.value: scope for scope in Scope}
        named = texts_of(claim(claims, self._http.oidc_scopes_claim))
        fleets = self._http.oidc_fleets_claim
        return Principal(
            _name(str(claims["sub"])),
            frozenset(known[name] for name in named if name in known),
            None if fleets is None else frozenset(texts_of(claim(claims, fleets))),
        )


def _name(subject: str) -> str:
    """Of one subject only: what is counted, kept and written down by it must not be another's. Those that are
    too long for logs are named by a digest."""
    if len(subject) <= NAME_LENGTH:
        return f"oidc:{subject}"
    return f"oidc-sha256:{hashlib.sha256(subject.encode(errors='surrogatepass')).hexdigest()}"


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by its way through objects: `realm_access.roles`."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def texts_of(value: Any) -> Iterable[str]:
    """The words of a text, or the texts of a list; nothing of anything else."""
    if isinstance(value, str):
        return value.split()
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _header(token: str) -> Mapping[str, Any]:
    return jwt.get_unverified_header(token)


def _is_worth_checking(token: str) -> bool:
    """Whether it looks like a token of an algorithm that we take: the rest costs no thread."""
    try:
        header = _header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return False
    kid = header.get("kid")
    is_understood = not header.keys() & MUST_BE_UNDERSTOOD
    return header.get("alg") in ALGORITHMS and is_understood and (kid is None or isinstance(kid, str))
