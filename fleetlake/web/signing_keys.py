"""The public keys of the identity provider, by their ids. It is asked seldom whatever tokens name: unknown
ids cost it one question in a while, and one that does not answer is not asked at every request."""

import http.client
import time
from collections.abc import Callable, Mapping
from threading import Event, Lock, Thread

import httpx
import jwt
from jwt import PyJWK, PyJWKClient

from fleetlake.web.settings import HttpSettings

FRESH_SECONDS = 300.0
STALE_SECONDS = 3600.0
"""Keys of a provider that is away are believed for this long."""

ASK_AGAIN_SECONDS = 5.0
ANSWER_SECONDS = 5.0
PATIENCE_SECONDS = 10.0
"""Of who waits for a key."""

MOST_WAITING = 2
"""For keys that may not exist, while others are good: fewer than the threads that check tokens."""

STILL_ASKED = "it has not answered yet"
CONFIGURATION = "/.well-known/openid-configuration"


class ProviderAway(Exception):
    """The identity provider does not give its keys: nobody can say whether a token is good."""


class SigningKeys:
    """Fetches and keeps them, in a thread of its own. Safe to use from several threads. Only who needs a key
    that is not here waits for it, and of those only a few: a provider that hangs holds up nobody else."""

    def __init__(self, http: HttpSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer, self._given_url, self._clock = http.oidc_issuer or "", http.oidc_jwks_url, clock
        self._lock = Lock()
        self._keys: Mapping[str | None, PyJWK] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._fetch: Event | None = None
        """At work; set when it has ended."""
        self._waiting = 0
        self._problem: str | None = None

    def find(self, kid: str | None) -> PyJWK | None:
        """The key of that id, or the only one where a token names none; None where there is no such key.
        ProviderAway where nobody can say: there are none to look in, or they are being fetched."""
        with self._lock:
            is_known = kid is None or kid in self._keys
            if not (self._is_fresh and is_known):
                self._ask()
            fetch = self._fetch
            if fetch is not None and not (self._is_usable and is_known):
                self._waiting += 1
                if self._is_usable and self._waiting > MOST_WAITING:
                    self._waiting -= 1
                    raise ProviderAway(STILL_ASKED)
            else:
                fetch = None
        if fetch is not None:
            self._wait(fetch)
        with self._lock:
            if not self._is_usable:
                raise ProviderAway(self._problem or "no keys yet")
            if kid is None:
                return next(iter(self._keys.values())) if len(self._keys) == 1 else None
            return self._keys.get(kid)

    def _wait(self, fetch: Event) -> None:
        has_ended = fetch.wait(PATIENCE_SECONDS)
        with self._lock:
            self._waiting -= 1
        if not has_ended:
            raise ProviderAway(STILL_ASKED)

    @property
    def _is_fresh(self) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < FRESH_SECONDS

    @property
    def _is_usable(self) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < STALE_SECONDS

    def _ask(self) -> None:
        """Begins to fetch the keys, unless that is at work, or was tried just now."""
        was_just_now = self._asked_at is not None and self._clock() - self._asked_at < ASK_AGAIN_SECONDS
        if self._fetch is not None or was_just_now:
            return
        self._fetch = Event()
        Thread(target=self._fetch_them, args=(self._fetch,), name="signing-keys", daemon=True).start()

    def _fetch_them(self, fetch: Event) -> None:
        """Counts as tried from its end: a provider that hangs is left alone for a while, too."""
        found: Mapping[str | None, PyJWK] | None = None
        problem: str | None = "asking it failed"
        try:
            client = PyJWKClient(self._url(), cache_jwk_set=False, timeout=ANSWER_SECONDS)
            found, problem = {key.key_id: key for key in client.get_signing_keys()}, None
        except (jwt.PyJWTError, httpx.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
        finally:
            with self._lock:
                self._asked_at, self._problem, self._fetch = self._clock(), problem, None
                if found is not None:
                    self._keys, self._fetched_at = found, self._clock()
            fetch.set()

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
