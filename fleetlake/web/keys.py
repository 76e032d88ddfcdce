"""API keys: `flk_<id>_<secret>`. The file holds only the SHA-256 of a secret. A slow hash, as passwords need,
would protect nothing here: a secret is 256 random bits, which nobody guesses however fast the hash is, and a
request must not cost what a login does."""

import hashlib
import hmac
import re
import secrets
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from contracts.access import Principal, Scope

KEY_PREFIX = "flk_"
KEY = re.compile(r"flk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
"""No colon: names of tokens have one, so that neither can pass for the other."""

NAME_RULE = "1 to 64 letters, digits and . _ @ -, the first a letter or a digit"

NO_SECRET = hashlib.sha256(b"of no key").hexdigest()


def moment(value: Any) -> Any:
    """A time as people write it: without a zone it is UTC, and a day is meant to its end."""
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value + timedelta(days=1), time(0))
    if isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return value


def _parsed(text: str) -> date | datetime | str:
    for parse in (date.fromisoformat, datetime.fromisoformat):
        try:
            return parse(text)
        except ValueError:
            continue
    return text


Moment = Annotated[AwareDatetime, BeforeValidator(moment)]


class Key(BaseModel):
    """One entry of the key file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=f"^{NAME.pattern}$")
    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: frozenset[Scope] = Field(min_length=1)
    fleets: frozenset[str] | None = None
    """None: all vehicles."""
    created: Moment
    expires: Moment | None = None

    @classmethod
    def new(
        cls,
        name: str,
        scopes: frozenset[Scope],
        fleets: frozenset[str] | None,
        *,
        created: datetime,
        expires: datetime | None,
    ) -> tuple[Self, str]:
        """A key's entry, and the key itself, which is nowhere else."""
        identity, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        entry = cls(
            name=name,
            id=identity,
            sha256=digest(secret),
            scopes=scopes,
            fleets=fleets,
            created=created.astimezone(UTC).replace(microsecond=0),
            expires=expires,
        )
        return entry, f"{KEY_PREFIX}{identity}_{secret}"

    @property
    def principal(self) -> Principal:
        return Principal(self.name, self.scopes, self.fleets)

    def has_expired(self, now: datetime) -> bool:
        return self.expires is not None and now >= self.expires


def is_name(text: str) -> bool:
    """Whether a key can be called so."""
    return NAME.fullmatch(text) is not None


def digest(secret: str) -> str:
    """What the file has of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret_of(key: Key | None, secret: str) -> bool:
    """Whether it is the key's, in the same time for a right, a wrong and an unknown key."""
    wanted = NO_SECRET if key is None else key.sha256
    return hmac.compare_digest(wanted, digest(secret)) and key is not None


def parts_of(credential: str) -> tuple[str, str] | None:
    """Id and secret of what looks like a key."""
    found = KEY.fullmatch(credential)
    return None if found is None else (found[1], found[2])
