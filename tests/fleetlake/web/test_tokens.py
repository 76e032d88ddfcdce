"""Tokens of an identity provider: a real one, small, on this machine. What is forged is refused."""

import base64
import functools
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.access import Scope
from fleetlake.web import signing_keys
from fleetlake.web.settings import HttpSettings
from tests.deadlines import eventually
from tests.fleetlake.web.conftest import MakeKey
from tests.interfaces import Interface, kind_of

STATE = "/vehicles/V1/state"
AUDIENCE = "fleetlake"


@functools.cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """Always the same of that name: making one takes a while."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Provider:
    """Signs tokens, and tells its public keys over HTTP."""

    keys: dict[str, Any] = field(default_factory=lambda: {"first": private_key("first")})
    is_away: bool = False
    hangs: threading.Event | None = None
    """Where set: answers when it is, and not before."""
    asked: list[str] = field(default_factory=list)
    issuer: str = ""
    told_issuer: str | None = None

    def document(self, path: str) -> dict[str, Any] | None:
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.told_issuer or self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        return {"keys": [self.jwk(kid) for kid in self.keys]} if path == "/keys" else None

    def jwk(self, kid: str) -> dict[str, Any]:
        key = self.keys[kid]
        algorithm = (
            jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        )
        return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"}

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "ada",
            "exp": now + 300,
            "scope": "read profile",
        }
        return {name: value for name, value in {**claims, **changed}.items() if value is not None}

    def token(self, kid: str | None = "first", *, algorithm: str = "RS256", **changed: Any) -> str:
        headers = {} if kid is None else {"kid": kid}
        return jwt.encode(self.claims(**changed), self.keys[kid or "first"], algorithm, headers=headers)


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Listens on a free port."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = provider.document(self.path)
            if provider.hangs is not None:
                provider.hangs.wait(30)
            body = json.dumps(document).encode()
            self.send_response(500 if provider.is_away else 404 if document is None else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield provider
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def interface(provider: Provider, tmp_path: Path) -> Interface:
    """Beyond loopback, with tokens only."""
    http = HttpSettings(oidc_issuer=provider.issuer, oidc_audience=AUDIENCE, oidc_fleets_claim="fleets")
    return Interface(tmp_path, http=http, host="0.0.0.0")  # noqa: S104 - never listened on


def test_a_token_of_the_provider_lets_in(interface: Interface, provider: Provider) -> None:
    """With the scopes and fleets that it claims; a claim that is not there is no right."""
    answer = interface.ask("GET", STATE, key=provider.token(fleets=["north", 3]))
    assert answer.json() == {"vehicle_id": "V1", "by": "oidc:ada", "fleets": ["north"]}
    assert interface.ask("GET", STATE, key=provider.token()).json()["fleets"] == []
    assert interface.ask("GET", STATE, key=provider.token(scope=None)).status_code == 403
    assert interface.ask("GET", STATE, key=provider.token(scope=["ingest"])).status_code == 403
    assert interface.ask("GET", STATE).status_code == 401


def test_two_long_subjects_are_two(interface: Interface, provider: Provider) -> None:
    """However much of them is the same: idempotency keys and limits are of one."""
    asked = [f"{'a' * 200}{end}" for end in "121"]
    names = [interface.ask("GET", STATE, key=provider.token(sub=sub)).json()["by"] for sub in asked]
    assert names[0] == names[2] != names[1]
    assert max(map(len, names)) <= 128
    assert interface.ask("GET", STATE, key=provider.token(sub="b" * 128)).json()["by"] == "oidc:" + "b" * 128


def test_rights_may_lie_deeper(provider: Provider, tmp_path: Path) -> None:
    """As some providers have them."""
    http = HttpSettings(
        oidc_issuer=provider.issuer, oidc_audience=AUDIENCE, oidc_scopes_claim="realm_access.roles"
    )
    interface = Interface(tmp_path, http=http)
    token = provider.token(scope=None, realm_access={"roles": ["read", "unknown"]})
    assert interface.ask("GET", STATE, key=token).json()["fleets"] is None
    assert interface.ask("GET", STATE, key=provider.token(realm_access="read")).status_code == 403


def test_the_provider_is_asked_once_for_many_tokens(interface: Interface, provider: Provider) -> None:
    """Its keys are kept."""
    for _ in range(5):
        assert interface.ask("GET", STATE, key=provider.token()).status_code == 200
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize("algorithm", ["ES256", "RS512", "PS256"])
def test_algorithms_of_a_private_key_are_taken(
    interface: Interface, provider: Provider, algorithm: str
) -> None:
    """Whichever of them the provider signs with."""
    if algorithm == "ES256":
        provider.keys["curve"] = ec.generate_private_key(ec.SECP256R1())
    kid = "curve" if algorithm == "ES256" else "first"
    assert interface.ask("GET", STATE, key=provider.token(kid, algorithm=algorithm)).status_code == 200


def test_a_token_without_a_kid_is_of_the_only_key(interface: Interface, provider: Provider) -> None:
    """Of several it could be any."""
    assert interface.ask("GET", STATE, key=provider.token(None)).status_code == 200


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed_with_the_public_key(provider: Provider, **header: str) -> str:
    """HS256 over the PEM that everybody can have. PyJWT would not do it, so it is done by hand."""
    import hashlib
    import hmac

    pem = provider.keys["first"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{encoded({'alg': 'HS256', 'kid': 'first', **header})}.{encoded(provider.claims())}"
    signature = base64.urlsafe_b64encode(hmac.digest(pem, text.encode(), hashlib.sha256)).rstrip(b"=")
    return f"{text}.{signature.decode()}"


def own_key_token(provider: Provider, **header: Any) -> str:
    return jwt.encode(
        provider.claims(), private_key("of an attacker"), "RS256", headers={"kid": "first", **header}
    )


def with_changed_claims(provider: Provider) -> str:
    head, _, signature = provider.token().split(".")
    return f"{head}.{encoded(provider.claims(scope='admin'))}.{signature}"


NOW = int(time.time())
FORGED: dict[str, Callable[[Provider], str]] = {
    "alg none": lambda p: f"{encoded({'alg': 'none'})}.{encoded(p.claims())}.",
    "alg None": lambda p: f"{encoded({'alg': 'NonE', 'kid': 'first'})}.{encoded(p.claims())}.",
    "alg none with a signature": lambda p: (
        f"{encoded({'alg': 'none', 'kid': 'first'})}.{encoded(p.claims())}.AAAA"
    ),
    "no alg": lambda p: f"{encoded({'kid': 'first'})}.{encoded(p.claims())}.AAAA",
    "alg that is a list": lambda p: f"{encoded({'alg': ['RS256']})}.{encoded(p.claims())}.AAAA",
    "HS256 with the public key": signed_with_the_public_key,
    "another key under a known kid": own_key_token,
    "a key of its own in the header": lambda p: own_key_token(
        p, jwk=Provider({"first": private_key("of an attacker")}).jwk("first")
    ),
    "a jku of its own": lambda p: own_key_token(p, jku="http://127.0.0.1:1/keys"),
    "changed claims": with_changed_claims,
    "no signature": lambda p: p.token().rpartition(".")[0] + ".",
    "two parts": lambda p: p.token().rpartition(".")[0],
    "another issuer": lambda p: p.token(iss="https://evil.example.com"),
    "an issuer with a slash": lambda p: p.token(iss=p.issuer + "/"),
    "no issuer": lambda p: p.token(iss=None),
    "another audience": lambda p: p.token(aud="another-service"),
    "no audience": lambda p: p.token(aud=None),
    "expired": lambda p: p.token(exp=NOW - 3600),
    "never expires": lambda p: p.token(exp=None),
    "expires as a text": lambda p: p.token(exp="tomorrow"),
    "not yet": lambda p: p.token(nbf=NOW + 3600),
    "no subject": lambda p: p.token(sub=None),
    "a kid that leads elsewhere": lambda p: own_key_token(p, kid="../../../../dev/null"),
    "a kid of SQL": lambda p: own_key_token(p, kid="' union select 'key"),
    "an empty kid": lambda p: own_key_token(p, kid=""),
    "larger than any token": lambda p: p.token(more="x" * 10_000),
    "no text in it": lambda p: "....",
    "a header without a bottom": lambda p: base64.urlsafe_b64encode(b"[" * 5_000).decode() + ".e30.AAAA",
    "critical extensions": lambda p: jwt.encode(
        p.claims(), p.keys["first"], "RS256", headers={"kid": "first", "crit": ["unknown"], "unknown": 1}
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_lets_nobody_in(interface: Interface, provider: Provider, name: str) -> None:
    """All get the answer of a wrong key."""
    answer = interface.ask("GET", STATE, key=FORGED[name](provider))
    assert (answer.status_code, kind_of(answer)) == (401, "unauthenticated")
    assert answer.json()["detail"] == "this key or token is not valid"
    assert interface.ask("GET", STATE, key=provider.token()).status_code == 200


def test_a_little_past_is_not_expired(interface: Interface, provider: Provider) -> None:
    """Clocks differ."""
    assert interface.ask("GET", STATE, key=provider.token(exp=int(time.time()) - 10)).status_code == 200


def test_unknown_kids_do_not_flood_the_provider(interface: Interface, provider: Provider) -> None:
    """It is asked for new keys once in a while, whatever tokens name."""
    for number in range(20):
        assert interface.ask("GET", STATE, key=own_key_token(provider, kid=f"k{number}")).status_code == 401
    assert len(provider.asked) <= 4


def test_a_new_key_of_the_provider_is_found(
    interface: Interface, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that it has taken back is not believed any more."""
    monkeypatch.setattr(signing_keys, "ASK_AGAIN_SECONDS", 0.0)
    old = provider.token()
    assert interface.ask("GET", STATE, key=old).status_code == 200
    provider.keys = {"second": private_key("second")}
    assert interface.ask("GET", STATE, key=provider.token("second")).status_code == 200
    assert interface.ask("GET", STATE, key=old).status_code == 401


def test_a_provider_that_is_away_stops_tokens_only(
    interface: Interface, provider: Provider, make_key: MakeKey
) -> None:
    """Keys go on; nothing is said about a token that nobody can check."""
    provider.is_away = True
    key = make_key("reader", Scope.READ)
    answer = interface.ask("GET", STATE, key=provider.token())
    assert (answer.status_code, kind_of(answer)) == (503, "unavailable")
    assert answer.headers["retry-after"] == "5"
    assert provider.issuer not in answer.text
    fresh = Interface(interface.data_dir, http=interface.http, host=interface.host)
    assert fresh.ask("GET", STATE, key=key).status_code == 200
    assert interface.ask("GET", STATE, key="garbage").status_code == 401


def test_keys_are_kept_while_the_provider_is_away(
    interface: Interface, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For an hour, then they may have been taken back."""
    monkeypatch.setattr(signing_keys, "ASK_AGAIN_SECONDS", 0.0)
    assert interface.ask("GET", STATE, key=provider.token()).status_code == 200
    provider.is_away = True
    monkeypatch.setattr(signing_keys, "FRESH_SECONDS", 0.0)
    assert interface.ask("GET", STATE, key=provider.token()).status_code == 200
    monkeypatch.setattr(signing_keys, "STALE_SECONDS", 0.0)
    assert interface.ask("GET", STATE, key=provider.token()).status_code == 503


def test_a_provider_that_hangs_holds_up_no_good_token(
    interface: Interface, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when its keys become old, nor while others ask for keys that it does not have. Whose key is not
    known is told to come again."""
    monkeypatch.setattr(signing_keys, "ASK_AGAIN_SECONDS", 0.0)
    good = provider.token()
    assert interface.ask("GET", STATE, key=good).status_code == 200
    provider.hangs = threading.Event()
    try:
        with ThreadPoolExecutor(6) as others:
            forged = [own_key_token(provider, kid=f"k{number}") for number in range(6)]
            answers = [others.submit(interface.ask, "GET", STATE, key=token) for token in forged]
            eventually(lambda: sum(each.done() for each in answers) == 4)
            assert interface.ask("GET", STATE, key=good).status_code == 200
            monkeypatch.setattr(signing_keys, "FRESH_SECONDS", 0.0)
            assert interface.ask("GET", STATE, key=good).status_code == 200
            assert sum(each.done() for each in answers) == 4
            provider.hangs.set()
            assert sorted(each.result().status_code for each in answers) == [401, 401, 503, 503, 503, 503]
    finally:
        provider.hangs.set()


def test_a_provider_that_hangs_is_left_alone_for_a_while(provider: Provider) -> None:
    """The while begins when its answer has not come, or nobody would ever see the end of it."""
    now = 0.0
    http = HttpSettings(oidc_issuer=provider.issuer, oidc_audience=AUDIENCE)
    keys = signing_keys.SigningKeys(http, clock=lambda: now)
    provider.is_away, provider.hangs = True, threading.Event()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(keys.find, "first")
        eventually(lambda: bool(provider.asked))
        now = 60.0
        provider.hangs.set()
        assert isinstance(first.exception(), signing_keys.ProviderAway)
    with pytest.raises(signing_keys.ProviderAway):
        keys.find("first")
    assert len(provider.asked) == 1


def test_a_configuration_of_another_issuer_is_not_followed(interface: Interface, provider: Provider) -> None:
    """The address may be another's by now."""
    provider.told_issuer = "https://evil.example.com"
    assert interface.ask("GET", STATE, key=provider.token()).status_code == 503
    assert "/keys" not in provider.asked


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"oidc_issuer": "http://idp.example.com", "oidc_audience": "a"}, "https"),
        ({"oidc_issuer": "https://idp.example.com"}, "OIDC_AUDIENCE"),
        ({"oidc_jwks_url": "file:///etc/passwd"}, "https"),
        ({"oidc_jwks_url": "https://"}, "https"),
        ({"trusted_proxies": ("10.0.0.0/33",)}, "10.0.0.0/33"),
        ({"allowed_origins": ("*",)}, "origin"),
        ({"allowed_origins": ("https://a.example.com/",)}, "origin"),
        ({"requests_per_second": -1}, "greater"),
    ],
)
def test_settings_that_would_open_a_door_are_refused(values: dict[str, Any], problem: str) -> None:
    """A provider on the way to which anybody may change the answer, or that signs for others too."""
    with pytest.raises(ValueError, match=problem):
        HttpSettings(**values)
