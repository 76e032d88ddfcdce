"""Alerts on real servers: from a message in Kafka to a webhook that believes it."""

import hashlib
import hmac
import json
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import pytest

from ingest.alerts.errors import SecretMissing
from ingest.alerts.rules import RuleSet
from ingest.alerts.run import run
from ingest.process import Stop
from tests.deadlines import eventually
from tests.ingest.alerts.alert_scene import (
    BASE_MS,
    SECRET,
    AlertScene,
    all_judged,
    rules_of,
    running,
    send_to_all_partitions,
)
from tests.ingest.alerts.conftest import NewScene
from tests.ingest.alerts.hook_server import Got, HookServer, Reply


def is_genuine(got: Got) -> bool:
    """By the page's own rule."""
    given = dict(part.split("=", 1) for part in got.headers["Fleetlake-Signature"].split(","))
    expected = hmac.new(SECRET.encode(), f"{given['t']}.".encode() + got.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, given["v1"]) and abs(time.time() - int(given["t"])) < 60


def events(hook: HookServer) -> list[str]:
    """What it was told, in order."""
    return [json.loads(got.body)["event"] for got in hook.got]


def test_an_alert_opens_is_told_and_ends(scene: AlertScene, hook: HookServer) -> None:
    """The webhook answers 500 first: it is told again, signed anew, under the same key."""
    hook.replies.append(Reply(500, body=b"no room"))
    with running(scene):
        scene.send(("v", 0, 80.0), ("v", 1, 142.0), ("w", 1, 50.0))
        eventually(lambda: len(hook.got) == 2)
        assert scene.states() == [("v", 1, "open")]
        scene.send(("v", 2, 95.0), ("v", 3, 60.0))
        eventually(lambda: len(hook.got) == 3)
        eventually(lambda: scene.outcomes() == [("opened", "delivered"), ("resolved", "delivered")])
    assert all(map(is_genuine, hook.got))
    assert events(hook) == ["opened", "opened", "resolved"]
    keys = [got.headers["Idempotency-Key"] for got in hook.got]
    assert keys[0] == keys[1] != keys[2]
    assert hook.got[0].body == hook.got[1].body
    [alert] = scene.alerts()
    assert json.loads(hook.got[1].body) == {
        "version": 1,
        "delivery_id": keys[0],
        "event": "opened",
        "alert": {
            "alert_id": alert["_id"],
            "rule": "fast",
            "vehicle_id": "v",
            "state": "open",
            "severity": "warning",
            "summary": "v at 142",
            "value": 142.0,
            "opened_time": "2025-10-27T10:07:16.000Z",
            "resolved_time": None,
        },
    }
    assert alert["state"] == "resolved"
    assert alert["resolved_us"] == (BASE_MS + 3000) * 1000


def test_a_restart_opens_nothing_again(scene: AlertScene, hook: HookServer) -> None:
    """In the middle of an alert; the next process ends it."""
    with running(scene):
        scene.send(("v", 1, 142.0))
        eventually(lambda: scene.outcomes() == [("opened", "delivered")])
    with running(scene):
        scene.send(("v", 2, 143.0), ("v", 3, 80.0))
        eventually(lambda: scene.outcomes() == [("opened", "delivered"), ("resolved", "delivered")])
    assert scene.states() == [("v", 1, "resolved")]
    assert events(hook) == ["opened", "resolved"]


@pytest.mark.parametrize("processes", [1, 3])
def test_any_number_of_processes_open_the_same(new_scene: NewScene, hook: HookServer, processes: int) -> None:
    """Every vehicle's readings lie in all partitions: whoever reads what, and in which order, the alerts are
    those of the readings' times."""
    scene = new_scene(rules_of(hook.url, settle="60s"))
    with ExitStack() as stack:
        for _ in range(processes):
            stack.enter_context(running(scene))
        expected = all_judged(scene, send_to_all_partitions(scene))
        eventually(lambda: len({got.key for got in hook.got}) == 2 * len(expected))
        eventually(lambda: {state for _, state in scene.outcomes()} == {"delivered"})
    told = {got.key: json.loads(got.body)["event"] for got in hook.got}  # a slow answer is a further try
    assert Counter(told.values()) == {"opened": len(expected), "resolved": len(expected)}


def test_a_silent_vehicle_is_missed_and_heard_again(new_scene: NewScene, hook: HookServer) -> None:
    """Its last message was of a while ago, and every partition is read to its end."""
    silent = {"name": "silent", "summary": "{vehicle}", "missing": {"for": "30s"}, "webhooks": ["ops"]}
    scene = new_scene(rules_of(hook.url, rules=[silent]))
    now_ms = int(time.time() * 1000)
    with running(scene):
        scene.send(("v", -40, 1.0), ("w", 0, 1.0), base_ms=now_ms)
        eventually(lambda: [each["vehicle_id"] for each in scene.alerts()] == ["v"])
        assert scene.alerts()[0]["opened_us"] == (now_ms - 10_000) * 1000
        scene.send(("v", 0, 1.0), base_ms=now_ms)
        eventually(lambda: scene.outcomes() == [("opened", "delivered"), ("resolved", "delivered")])
    assert [each["state"] for each in scene.alerts()] == ["resolved"]


def test_a_rule_that_was_taken_out_ends_its_alerts(new_scene: NewScene, hook: HookServer) -> None:
    """At the next start, and its webhooks are told."""
    scene = new_scene()
    with running(scene):
        scene.send(("v", 1, 142.0))
        eventually(lambda: scene.outcomes() == [("opened", "delivered")])
    other = {"name": "other", "summary": "-", "missing": {"for": "300d"}}
    with running(scene, replace(scene.site, rules=rules_of(hook.url, rules=[other]))):
        eventually(lambda: scene.outcomes() == [("opened", "delivered"), ("resolved", "delivered")])
    assert scene.states() == [("v", 1, "resolved")]


def test_nobody_is_woken_for_what_is_over(new_scene: NewScene, hook: HookServer) -> None:
    """Rules begin at the end of what is there; a restart before anything came does not move that."""
    scene = new_scene()
    site = replace(scene.site, alerts=scene.site.alerts.model_copy(update={"start": "latest"}))
    scene.send(("v", 1, 142.0), ("w", 1, 142.0), ("x", 1, 142.0))

    with running(scene, site):
        eventually(lambda: len(scene.committed()) == 3)
    scene.send(("v", 2, 150.0))
    with running(scene, site):
        eventually(lambda: scene.states() == [("v", 2, "open")])
        eventually(lambda: events(hook) == ["opened"])


def test_what_a_webhook_refuses_waits_for_a_person(scene: AlertScene, hook: HookServer) -> None:
    """The alert is there all the same, and is told once somebody has seen to it."""
    hook.replies.extend([Reply(400, body=b"what is that"), Reply(302, {"Location": "/elsewhere"})])
    with running(scene):
        scene.send(("v", 1, 142.0))
        eventually(lambda: scene.outcomes() == [("opened", "given_up")])
        assert scene.redrive() == 1
        eventually(lambda: len(hook.got) == 2 and scene.outcomes() == [("opened", "given_up")])
        assert scene.redrive() == 1
        eventually(lambda: scene.outcomes() == [("opened", "delivered")])
    assert {got.path for got in hook.got} == {"/hook"}


def test_a_bad_message_stops_nobody(scene: AlertScene) -> None:
    """Between good ones."""
    with running(scene):
        for payload in (b"{", b"[]", b'{"did": "v"}', b"\xff", None):
            scene.send_raw(payload)
        scene.send(("v", 1, 142.0))
        eventually(lambda: scene.states() == [("v", 1, "open")])


def test_alertmanager_is_told_in_its_own_words(new_scene: NewScene, hook: HookServer) -> None:
    """Unsigned, below its path."""
    url = hook.url.removesuffix("/hook")
    rules: RuleSet = rules_of(url, webhooks={"ops": {"url": url, "format": "alertmanager"}})
    scene = new_scene(rules)
    with running(scene):
        scene.send(("v", 1, 142.0))
        eventually(lambda: scene.outcomes() == [("opened", "delivered")])
    assert hook.got[0].path == "/api/v2/alerts"
    [alert] = json.loads(hook.got[0].body)
    assert alert["labels"]["alertname"] == "fast"
    assert alert["annotations"]["summary"] == "v at 142"


def test_a_webhook_without_a_secret_is_refused_at_the_start(scene: AlertScene) -> None:
    """What anybody could have sent is worth nothing."""
    site = replace(scene.site, alerts=scene.site.alerts.model_copy(update={"webhook_secrets": {}}))
    with pytest.raises(SecretMissing, match="ops"):
        run(site, stop=Stop())
