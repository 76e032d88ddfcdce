"""The public keys of the identity provider, by their ids. It is asked seldom whatever tokens name: unknown ids
cost it one question in a while, and one that does not answer is not asked at every request."""

import http.client
import time
from collections.abc import Callable, Mapping
from threading import Lock

import httpx
import jwt
from jwt import PyJWK, PyJWKClient

from fleetlake.web.settings import HttpSettings

FRESH_SECONDS = 300.0
STALE_SECONDS = 3600.0
"""Keys of a provider that is away are believed for this long."""

ASK_AGAIN_SECONDS = 5.0
ANSWER_SECONDS = 5.0
CONFIGURATION = "/.well-known/openid-configuration"


class ProviderAway(Exception):
    """The identity provider does not give its keys: nobody can say whether a token is good."""


class SigningKeys:
    """Fetches and keeps them. Blocks while it fetches; safe to use from several threads."""

    def __init__(self, http: HttpSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer, self._given_url, self._clock = http.oidc_issuer or "", http.oidc_jwks_url, clock
        self._lock = Lock()
        self._keys: Mapping[str | None, PyJWK] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._problem: str | None = None

    def find(self, kid: str | None) -> PyJWK | None:
        """The key of that id, or the only one where a token names none; None where there is no such key.
        ProviderAway where there are none to look in."""
        with self._lock:
            if not self._is_fresh or (kid is not None and kid not in self._keys):
                self._ask()
            if not self._is_usable:
                raise ProviderAway(self._problem or "no keys yet")
            if kid is None:
                return next(iter(self._keys.values())) if len(self._keys) == 1 else None
            return self._keys.get(kid)

    @property
    def _is_fresh(self) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < FRESH_SECONDS

    @property
    def _is_usable(self) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < STALE_SECONDS

    def _ask(self) -> None:
        """Fetches the keys, unless that was tried just now."""
        if self._asked_at is not None and self._clock() - self._asked_at < ASK_AGAIN_SECONDS:
            return
        self._asked_at = self._clock()
        try:
            client = PyJWKClient(self._url(), cache_jwk_set=False, timeout=ANSWER_SECONDS)
            found = client.get_signing_keys()
        except (jwt.PyJWTError, httpx.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            self._problem = f"{type(error).__name__}: {error}"
            return
        self._keys = {key.key_id: key for key in found}
        self._fetched_at, self._problem = self._clock(), None

    def _url(self) -> str:
        """Where the keys are; asked for each time: a provider may move them."""
        if self._given_url is not None:
            return self._given_url
        answer = httpx.get(self._issuer.rstrip("/") + CONFIGURATION, timeout=ANSWER_SECONDS)
        answer.raise_for_status()
        told = answer.json()
        if not isinstance(told, dict) or told.get("issuer") != self._issuer:
            problem = "its openid-configuration is of another issuer"
            raise ValueError(problem)
        url = told.get("jwks_uri")
        return HttpSettings(oidc_jwks_url=str(url)).oidc_jwks_url or ""
