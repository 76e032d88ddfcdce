"""Who may ask: whoever has a key or a token; where neither is set up, only this machine. Beyond loopback nothing
listens without authentication."""

from pathlib import Path
from typing import Self

from contracts.access import ANYBODY, Principal, Scope
from contracts.problem import Kind, Problem
from fleetlake.web.addresses import is_loopback
from fleetlake.web.asked import Asked
from fleetlake.web.cors import require_own_page
from fleetlake.web.key_ring import KeyRing
from fleetlake.web.keys import KEY_PREFIX
from fleetlake.web.settings import HttpSettings
from fleetlake.web.tokens import Tokens

NOBODY = Principal("nobody", frozenset[Scope]())
"""Who asks without a key for what needs none."""

CHALLENGE = {"www-authenticate": 'Bearer realm="fleetlake"'}
WRONG_CHALLENGE = {"www-authenticate": 'Bearer realm="fleetlake", error="invalid_token"'}

KEYS_FILE = "keys.yml"


class NoAuthentication(Exception):
    """An interface should listen beyond this machine, and nobody would have to say who they are.

    Operator action: `fleetlake keys add NAME --scope read`, or set FLEETLAKE_HTTP__OIDC_ISSUER and
    FLEETLAKE_HTTP__OIDC_AUDIENCE; or listen on 127.0.0.1.
    """

    def __init__(self, host: str, keys_file: Path) -> None:
        self.host, self.keys_file = host, keys_file
        super().__init__(
            f"will not listen on {host} without authentication: `fleetlake keys add` makes {keys_file}, "
            "FLEETLAKE_HTTP__OIDC_ISSUER names an identity provider"
        )


def keys_file_of(http: HttpSettings, data_dir: Path) -> Path:
    """Where the keys are."""
    return http.keys_file or data_dir.absolute() / KEYS_FILE


class Access:
    """Decides of each request whose it is."""

    def __init__(self, keys: KeyRing, tokens: Tokens | None) -> None:
        self._keys, self._tokens = keys, tokens

    @classmethod
    def on(cls, host: str, http: HttpSettings, data_dir: Path) -> Self:
        """For an interface that will listen on `host`; NoAuthentication where that would let anybody in."""
        file = keys_file_of(http, data_dir)
        access = cls(KeyRing(file), None if http.oidc_issuer is None else Tokens(http))
        if access.is_open and not is_loopback(host):
            raise NoAuthentication(host, file)
        return access

    @property
    def is_open(self) -> bool:
        """Whether nobody needs to say who they are. It ends for good when the first key is added."""
        return self._tokens is None and not self._keys.was_seen

    async def principal(self, asked: Asked, *, is_open_path: bool, origins: tuple[str, ...]) -> Principal:
        """Who asks; a Problem where they may not."""
        if self.is_open:
            if not asked.names_this_machine:
                raise Problem(Kind.FORBIDDEN, "without authentication, ask for localhost or 127.0.0.1")
            require_own_page(asked, origins)
            return ANYBODY
        header = asked.header(b"authorization")
        if header is None:
            if is_open_path:
                return NOBODY
            raise Problem(Kind.UNAUTHENTICATED, "send `Authorization: Bearer KEY`", headers=CHALLENGE)
        return await self._bearer(header)

    async def _bearer(self, header: str) -> Principal:
        scheme, _, credential = header.partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise Problem(Kind.UNAUTHENTICATED, "send `Authorization: Bearer KEY`", headers=CHALLENGE)
        if credential.startswith(KEY_PREFIX):
            found = self._keys.principal(credential)
        elif self._tokens is not None:
            found = await self._tokens.principal(credential)
        else:
            found = None
        if found is None:
            raise wrong_credential()
        return found


def wrong_credential() -> Problem:
    """One answer to every credential that is not good: whether it was known, revoked or has expired is
    nothing for whoever has found it."""
    return Problem(Kind.UNAUTHENTICATED, "this key or token is not valid", headers=WRONG_CHALLENGE)
