"""Who may ask over HTTP, and how much of everything one client may take. Both interfaces, the gateway and the
read API, keep to these; every limit stands here, with its reason."""

from ipaddress import ip_network
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fleetlake.web.addresses import is_loopback_name


class HttpSettings(BaseModel):
    """Settings of the shell around both HTTP interfaces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    in_stack: bool = Field(True, description="whether `fleetlake up` starts the gateway and the read API")
    keys_file: Path | None = Field(
        None,
        description="file of API keys (`fleetlake keys`); default: keys.yml in the data folder. Once it is "
        "there, nobody is let in without a key",
    )
    oidc_issuer: str | None = Field(
        None, description="address of an OpenID Connect provider whose tokens are accepted beside keys"
    )
    oidc_audience: str | None = Field(
        None, description="audience that its tokens must name: those for other services are refused"
    )
    oidc_jwks_url: str | None = Field(
        None, description="where its public keys are; default: what its openid-configuration says"
    )
    oidc_scopes_claim: str = Field(
        "scope", description="claim with the scopes: a list, or words; a.b looks into an object"
    )
    oidc_fleets_claim: str | None = Field(
        None,
        description="claim with the fleets a token is for; default: every token is for all fleets. Where it "
        "is set, a token without it is for none",
    )
    body_bytes: int = Field(
        8 * 1024 * 1024, gt=0, description="largest request body; what is larger gets 413 and is not read"
    )
    body_seconds: float = Field(
        30.0, gt=0, allow_inf_nan=False, description="a body that has not come whole by then gets 408"
    )
    header_bytes: int = Field(
        32 * 1024, ge=1024, description="of the request line and all headers, together; more gets 431"
    )
    header_count: int = Field(100, gt=0, description="headers of a request, at most; more gets 431")
    header_seconds: float = Field(
        10.0,
        gt=0,
        allow_inf_nan=False,
        description="a connection that has not sent a request's headers by then is closed with 408",
    )
    send_seconds: float = Field(
        30.0,
        gt=0,
        allow_inf_nan=False,
        description="a client that takes nothing of its answer for this long is cut off",
    )
    keep_alive_seconds: int = Field(15, gt=0, description="an idle connection stays open for this long")
    connections: int = Field(
        1000, gt=0, description="open connections, at most; what comes on top gets 503 and is closed"
    )
    connections_per_address: int = Field(
        100,
        gt=0,
        description="of these from one address that is no trusted proxy; more gets 429 and is closed",
    )
    concurrent_requests: int = Field(
        256, gt=0, description="requests at work at a time, live streams included; more gets 503"
    )
    concurrent_per_client: int = Field(
        64, gt=0, description="of these for one client, at most; more gets 429: one cannot starve the others"
    )
    requests_per_second: float = Field(
        200.0,
        ge=0,
        allow_inf_nan=False,
        description="of one client (its key or token, else its address), on average; more gets 429. 0: no "
        "limit",
    )
    burst: int = Field(400, gt=0, description="requests that a client may send at once before that counts")
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="addresses or networks of reverse proxies whose X-Forwarded-For and X-Request-Id count, "
        'as JSON: `["10.0.0.0/8"]`',
    )
    allowed_origins: tuple[str, ...] = Field(
        (),
        description="origins of other web pages that may ask (CORS), as JSON: "
        '`["https://fleet.example.com"]`; default: none',
    )
    shutdown_seconds: float = Field(
        10.0, gt=0, allow_inf_nan=False, description="a stop waits this long for requests at work"
    )

    @field_validator("oidc_issuer", "oidc_jwks_url")
    @classmethod
    def _is_confidential(cls, value: str | None) -> str | None:
        """Whoever could change the provider's answer on the way could sign tokens."""
        if value is None:
            return None
        parts = urlsplit(value)
        is_safe = parts.scheme == "https" or (
            parts.scheme == "http" and is_loopback_name(parts.hostname or "")
        )
        if not is_safe or not parts.hostname:
            problem = "must be an https:// address"
            raise ValueError(problem)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            ip_network(value)  # its ValueError says which and why
        return values

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [value for value in values if not _is_origin(value)]
        if wrong:
            problem = f"not an origin like https://host or https://host:port: {', '.join(wrong)}"
            raise ValueError(problem)
        return values

    @model_validator(mode="after")
    def _audience_is_named(self) -> Self:
        """A provider signs tokens for many services: without an audience any of them would let in here."""
        if self.oidc_issuer is not None and not self.oidc_audience:
            problem = "FLEETLAKE_HTTP__OIDC_ISSUER needs FLEETLAKE_HTTP__OIDC_AUDIENCE"
            raise ValueError(problem)
        return self


def _is_origin(value: str) -> bool:
    """As browsers write it: no path, not even a slash."""
    parts = urlsplit(value)
    is_web = parts.scheme in ("https", "http") and bool(parts.hostname)
    return is_web and value == f"{parts.scheme}://{parts.netloc}"
