"""Bodies as clients send them, and as attackers do: each costs no more than its limit, and is told what is
wrong. None of these reaches Kafka."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.settings import KafkaSettings
from contracts.access import Principal, Scope
from ingest.gateway.body import events_of, unpacked
from ingest.gateway.settings import GatewaySettings
from ingest.settings import IngestSettings
from lake.settings import MongoSettings
from tests.ingest.gateway.site import Client, GatewaySite, reading

LIMIT = 64 * 1024
NOWHERE = "127.0.0.1:9"
GZIP = {"content-encoding": "gzip"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Of a gateway without servers."""
    site = site_without_servers(tmp_path_factory.mktemp("gateway"))
    with site.serving() as client:
        yield client


def site_without_servers(folder: Path) -> GatewaySite:
    return GatewaySite(
        KafkaSettings(bootstrap_servers=NOWHERE),
        MongoSettings(uri=f"mongodb://{NOWHERE}", timeout_s=0.1),
        IngestSettings(runtime_dir=folder / "run"),
        "nowhere",
        GatewaySettings(max_unpacked_bytes=LIMIT, max_events=100, acknowledge_seconds=1),
    )


ODD = {
    "nothing": (b"", 400, "invalid-request", None),
    "white space": (b" \r\n ", 400, "invalid-request", None),
    "an empty array": (b"[]", 400, "invalid-request", None),
    "no JSON": (b"speed=7", 400, "invalid-event", "malformed_json"),
    "half an object": (b'{"sensor_id":"s', 400, "invalid-event", "malformed_json"),
    "half an array": (b'[{"sensor_id":"s"}', 400, "invalid-event", "malformed_json"),
    "two arrays": (b"[{}][{}]", 400, "invalid-event", "malformed_json"),
    "a number": (b"7", 400, "invalid-event", "not_an_object"),
    "null": (b"null", 400, "invalid-event", "not_an_object"),
    "an array of arrays": (b"[[{}]]", 400, "invalid-event", "not_an_object"),
    "a null byte": (b'{"sensor_id":"\x00"}', 400, "invalid-event", "malformed_json"),
    "null bytes": (b"\x00" * 50, 400, "invalid-event", "malformed_json"),
    "UTF-16": (json.dumps(reading()).encode("utf-16"), 400, "invalid-event", "malformed_json"),
    "half a surrogate pair": (b'{"sensor_id":"\\ud800"}', 400, "invalid-event", "malformed_json"),
    "NaN": (b'{"sensor_id":"s","temperature":NaN}', 400, "invalid-event", "malformed_json"),
    "a deep object": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400, "invalid-event", "too_large"),
    "deep arrays": (b"[" * 30_000 + b"]" * 30_000, 400, "invalid-event", "too_large"),
    "an open bomb": (b"[" * 60_000, 400, "invalid-event", "too_large"),
    "deep in an array": (b'[{"a":' + b"[" * 50 + b"]" * 50 + b"}]", 400, "invalid-event", "unknown_source"),
    "an unknown shape": (b'{"a":1}', 400, "invalid-event", "unknown_source"),
    "too many events": (b"[" + b",".join([b'{"a":1}'] * 101) + b"]", 413, "too-large", None),
    "an array of commas": (b"[" + b"0," * 30_000 + b"0]", 413, "too-large", None),
    "more than the limit": (b" " * (LIMIT + 1), 413, "too-large", None),
}


@pytest.mark.parametrize(("body", "status", "kind", "reason"), ODD.values(), ids=ODD)
def test_an_odd_body_is_answered_with_what_is_wrong(
    client: Client, body: bytes, status: int, kind: str, reason: str | None
) -> None:
    """By kind, and by the reason of its first event."""
    answer = client.post("/ingest", body)
    document = answer.json()
    assert (answer.status_code, document["type"]) == (status, f"urn:fleetlake:problem:{kind}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["detail"]
    if reason is not None:
        assert document["problems"][0]["reason"] == reason


BAD_GZIP = {
    "no gzip": (b"{}", 400),
    "cut off": (gzip.compress(json.dumps(reading()).encode())[:-9], 400),
    "something behind it": (gzip.compress(b"{}") + b"more", 400),
    "a bomb": (gzip.compress(b" " * 200_000_000, 1), 413),
    "a bomb in a second part": (gzip.compress(b" ") + gzip.compress(b" " * 10_000_000), 413),
    "endless parts": (gzip.compress(b"") * 20, 400),
}


@pytest.mark.parametrize(("body", "status"), BAD_GZIP.values(), ids=BAD_GZIP)
def test_a_bad_gzip_body_is_refused(client: Client, body: bytes, status: int) -> None:
    """Before it has unpacked to more than the limit."""
    assert client.post("/ingest", body, GZIP).status_code == status


def test_a_packed_body_is_what_it_unpacks_to() -> None:
    """Several parts, as `cat a.gz b.gz` makes them, are one body."""
    assert unpacked(gzip.compress(b"[1") + gzip.compress(b",2]"), "gzip", 100) == b"[1,2]"
    assert unpacked(gzip.compress(b"x" * 100), "gzip", 100) == b"x" * 100


def test_events_keep_their_own_bytes() -> None:
    """Those of an array, too: 101.50 stays 101.50, and a key given twice stays twice."""
    first, second = b'{ "a" : 101.50, "a":1e2 }', '{"b":"\\u00e4 ä"}'.encode()
    settings = GatewaySettings()
    assert events_of(b" [\n" + first + b" ,\t" + second + b"]\n", settings) == ([first, second], False)
    assert events_of(b" " + first + b"\n", settings) == ([b" " + first + b"\n"], True)


HEADERS: dict[str, tuple[dict[str, str], int]] = {
    "a form": ({"content-type": "application/x-www-form-urlencoded"}, 415),
    "plain text": ({"content-type": "text/plain"}, 415),
    "no type": ({"content-type": ""}, 415),
    "another character set": ({"content-type": "application/json; charset=latin-1"}, 415),
    "brotli": ({"content-encoding": "br"}, 415),
    "gzip twice": ({"content-encoding": "gzip, gzip"}, 415),
    "an empty key": ({"idempotency-key": ""}, 400),
    "a long key": ({"idempotency-key": "k" * 256}, 400),
    "a key with a tab": ({"idempotency-key": "a\tb"}, 400),
}


@pytest.mark.parametrize(("headers", "status"), HEADERS.values(), ids=HEADERS)
def test_odd_headers_are_refused(client: Client, headers: dict[str, str], status: int) -> None:
    """A page of another site can send none of the types that are taken without being asked about it first."""
    assert client.post("/ingest", reading(), headers).status_code == status


QUERIES = {
    "an unknown source": ("/ingest?source=plane", 400),
    "an unknown source in the path": ("/ingest/plane", 404),
    "a source twice": ("/ingest?source=car&source=car", 400),
    "a source in path and query": ("/ingest/car?source=car", 400),
    "a misspelt parameter": ("/ingest?sourec=car", 400),
    "an empty vehicle": ("/ingest/twizy?vehicle=", 400),
    "a long vehicle": ("/ingest/twizy?vehicle=" + "v" * 257, 400),
}


@pytest.mark.parametrize(("path", "status"), QUERIES.values(), ids=QUERIES)
def test_odd_parameters_are_refused(client: Client, path: str, status: int) -> None:
    """And named."""
    answer: dict[str, Any] = client.post(path, reading()).json()
    assert answer["status"] == status
    assert status == 404 or answer["errors"][0]["field"]


def test_a_key_without_the_scope_is_refused(tmp_path: Path) -> None:
    """Whoever may read need not be let write."""
    reader = Principal("reader", frozenset({Scope.READ}))
    with site_without_servers(tmp_path).serving(reader) as client:
        assert client.post("/ingest", reading()).status_code == 403
