"""One request to a webhook, whatever the other side does."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fleetlake.stack.server import LOOPBACK, free_port
from ingest.alerts.post import LONGEST_ASKED_S, Answer, Poster, answer_of
from tests.ingest.alerts.hook_server import HookServer, Reply, hook_server, now_s

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIMEOUT_S = 1.0


@pytest.fixture
def hook() -> Iterator[HookServer]:
    """A webhook."""
    with hook_server() as server:
        yield server


def post(url: str, timeout_s: float = TIMEOUT_S) -> Answer:
    """One try."""
    with Poster(url, timeout_s) as poster:
        return poster.post(b'{"a": 1}', {"Idempotency-Key": "k"}, NOW)


def test_what_arrives_is_what_was_sent(hook: HookServer) -> None:
    """Body and headers; several over one connection."""
    with Poster(hook.url, TIMEOUT_S) as poster:
        assert poster.post(b'{"a": 1}', {"Idempotency-Key": "k"}, NOW) == Answer("delivered")
        assert poster.post(b"{}", {}, NOW) == Answer("delivered")
    assert json.loads(hook.got[0].body) == {"a": 1}
    assert hook.got[0].headers["Idempotency-Key"] == "k"
    assert hook.got[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, "delivered"),
        (500, "again"),
        (503, "again"),
        (429, "again"),
        (408, "again"),
        (400, "refused"),
        (410, "refused"),
    ],
)
def test_an_answer_decides_whether_it_is_tried_again(hook: HookServer, status: int, kind: str) -> None:
    """What may be better later is; what is refused is not."""
    hook.replies.append(Reply(status))
    assert post(hook.url).kind == kind


def test_redirects_are_not_followed(hook: HookServer) -> None:
    """They could lead to what only we can reach."""
    hook.replies.append(Reply(307, {"Location": hook.url.replace("/hook", "/inside")}))
    answer = post(hook.url)
    assert answer.kind == "refused"
    assert "redirects are not followed" in answer.reason
    assert [got.path for got in hook.got] == ["/hook"]


@pytest.mark.parametrize("reply", [Reply(before_s=30), Reply(500, body=b"x" * 1000, dribble_s=0.05)])
def test_a_slow_webhook_does_not_hold_us(hook: HookServer, reply: Reply) -> None:
    """Silent, or a byte now and then: the time is for all of it."""
    hook.replies.append(reply)
    began = now_s()
    answer = post(hook.url, 0.3)
    assert answer.kind == "again"
    assert "0.3 s" in answer.reason
    assert now_s() - began < 5


def test_little_is_read_of_an_answer(hook: HookServer) -> None:
    """And shown without what could write on a terminal."""
    hook.replies.append(Reply(500, body=b"\x1b[31m no room" + b"x" * 5_000_000))
    answer = post(hook.url, 10.0)
    assert "no room" in answer.reason
    assert "\x1b" not in answer.reason
    assert len(answer.reason) <= 200


def test_a_webhook_that_is_not_there_is_tried_again() -> None:
    """No connection; no such name."""
    assert post(f"http://{LOOPBACK}:{free_port()}/").kind == "again"
    assert post("http://no-such-host.invalid/", 5.0).kind == "again"


def test_no_proxy_of_the_environment_is_taken(hook: HookServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is posted goes where the rules say."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{LOOPBACK}:{free_port()}")
    assert post(hook.url).kind == "delivered"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("99999999999", LONGEST_ASKED_S),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        ("soon", None),
        ("-1", None),
        ("9" * 400, LONGEST_ASKED_S),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 99999999999999999999 Jan 2026 00:00:00 GMT", None),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999999999", None),
        ("Mon, 01 Jan 10000 00:00:00 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Mon, 01 Jan 9999 23:59:59 -2359", LONGEST_ASKED_S),
        (None, None),
    ],
)
def test_retry_after_is_kept_within_reason(value: str | None, seconds: float | None) -> None:
    """Seconds or a date; nonsense is not asked for."""
    headers = {} if value is None else {"retry-after": value}
    assert answer_of(429, headers, "", NOW).after_s == seconds
