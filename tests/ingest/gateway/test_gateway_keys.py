"""Requests with an idempotency key: their events are written once, and the answer is the first one again."""

import os
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from broker.settings import KafkaSettings
from contracts.access import ANYBODY, Principal
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.settings import GatewaySettings
from ingest.steps import GatewayStep, Step
from lake.idempotency import Claims
from tests.ingest.gateway.gateway_process import ask_and_die, ask_at_once, running_until
from tests.ingest.gateway.site import NOW, GatewaySite, reading
from tests.servers import EmbeddedKafka, Kafka

KEY = {"Idempotency-Key": "once"}
EVENTS = [reading("s1", 1), reading("s2", 2, humidity=160), reading("s3", 3)]


def test_a_request_that_comes_again_is_written_once_and_answered_alike(site: GatewaySite) -> None:
    """By the same gateway, and by one that starts later; only the header tells."""
    site.create_topics("sensor")
    with site.serving() as client:
        first, again = client.post("/ingest", EVENTS, KEY), client.post("/ingest", EVENTS, KEY)
    with site.serving() as client:
        later = client.post("/ingest", EVENTS, KEY)
    assert first.status_code == 207
    assert "idempotency-replayed" not in first.headers
    for answer in (again, later):
        assert (answer.status_code, answer.content) == (first.status_code, first.content)
        assert answer.headers["idempotency-replayed"] == "true"
    lying = {(each.partition, each.offset) for each in site.messages("sensor")}
    assert {(each["partition"], each["offset"]) for each in first.json()["receipts"]} == lying
    assert len(lying) == 2


def test_a_key_that_comes_with_another_request_is_refused(site: GatewaySite) -> None:
    """Another body, another source, another vehicle beside it: 422, and nothing written."""
    site.create_topics("sensor")
    with site.serving() as client:
        assert client.post("/ingest", reading(), KEY).status_code == 202
        for path, body in (("/ingest", reading(second=1)), ("/ingest/sensor", reading())):
            answer = client.post(path, body, KEY)
            assert (answer.status_code, answer.json()["type"]) == (422, "urn:fleetlake:problem:key-reused")
    assert len(site.messages("sensor")) == 1


def test_a_key_is_its_clients_own(site: GatewaySite) -> None:
    """Two clients may choose the same; neither sees the other's answer."""
    site.create_topics("sensor")
    for name in ("one", "two"):
        with site.serving(Principal(name, ANYBODY.scopes)) as client:
            assert "idempotency-replayed" not in client.post("/ingest", reading(), KEY).headers
    assert len(site.messages("sensor")) == 2


def test_a_request_without_a_valid_event_does_not_use_its_key_up(site: GatewaySite) -> None:
    """Who corrects it sends it with the same key."""
    site.create_topics("sensor")
    with site.serving() as client:
        assert client.post("/ingest", reading(humidity=160), KEY).status_code == 400
        assert client.post("/ingest", reading(humidity=60), KEY).status_code == 202


def test_requests_at_once_share_transactions_and_each_is_written_once(site: GatewaySite) -> None:
    """Each key comes twice; of two at once the second may be told that the first is at work."""
    site.create_topics("sensor")
    shared = replace(site, settings=GatewaySettings(group_ms=50))
    requests = [
        ("/ingest", reading(f"s{n % 40}", n % 40), {"Idempotency-Key": f"k{n % 40}"}) for n in range(80)
    ]
    metrics = GatewayMetrics()
    with shared.serving(metrics=metrics) as client:
        statuses = Counter(answer.status_code for answer in client.posts(requests))
    assert statuses[202] >= 40
    assert set(statuses) <= {202, 409}
    assert len(site.messages("sensor")) == 40
    committed = metrics.registry.get_sample_value(
        "fleetlake_gateway_transactions_total", {"outcome": "committed"}
    )
    assert committed is not None
    assert committed < 20


def test_of_requests_in_one_transaction_only_the_one_to_blame_is_refused(site: GatewaySite) -> None:
    """Kafka refuses a message, and with it the transaction: the others are written by others."""
    site.create_topics("sensor", **{"max.message.bytes": "2000"})
    shared = replace(site, settings=GatewaySettings(group_ms=100))
    note = b64encode(os.urandom(3000)).decode()  # no compression makes it small enough
    bodies = [reading("s1", 1), reading("s2", 2, note=note), reading("s3", 3)]
    requests = [("/ingest", body, {"Idempotency-Key": f"k{n}"}) for n, body in enumerate(bodies)]
    with shared.serving() as client:
        answers = client.posts(requests)
        again = client.posts(requests)
    assert [answer.status_code for answer in answers] == [202, 413, 202]
    assert [answer.status_code for answer in again] == [202, 413, 202]
    assert sorted(str(each.key) for each in site.messages("sensor")) == ["b's1'", "b's3'"]


@pytest.mark.parametrize("step", list(GatewayStep)[:5])
def test_a_kill_between_any_two_steps_of_a_transaction(
    site: GatewaySite, step: GatewayStep, tmp_path: Path
) -> None:
    """Whoever repeats the request with its key finds it written once: by the killed gateway, or the next."""
    site.create_topics("sensor", partitions=2)
    ask_and_die(site, step, [("once", EVENTS)], tmp_path / "log")
    with site.serving() as client:
        answer = client.post("/ingest", EVENTS, KEY)
        again = client.post("/ingest", EVENTS, KEY)
    assert answer.status_code == again.status_code == 207
    assert answer.content == again.content
    assert_lies_as_said(site, answer.json()["receipts"])


@pytest.mark.parametrize("step", [GatewayStep.FENCED, GatewayStep.FOUND])
@pytest.mark.parametrize("before", [GatewayStep.SENT, GatewayStep.COMMITTED])
def test_a_kill_while_a_killed_gateways_request_is_settled(
    site: GatewaySite, before: GatewayStep, step: GatewayStep, tmp_path: Path
) -> None:
    """And the third one still writes it once."""
    site.create_topics("sensor", partitions=2)
    ask_and_die(site, before, [("once", EVENTS)], tmp_path / "first")
    ask_and_die(site, step, [("once", EVENTS)], tmp_path / "second")
    with site.serving() as client:
        answer = client.post("/ingest", EVENTS, KEY)
    assert answer.status_code == 207
    assert_lies_as_said(site, answer.json()["receipts"])


@pytest.mark.parametrize("before", [GatewayStep.CLAIMED, GatewayStep.SENT])
def test_a_running_gateway_takes_over_what_a_killed_one_left_at_once(
    site: GatewaySite, before: GatewayStep, tmp_path: Path
) -> None:
    """Its slot is free, so it is gone. A kill behind the take-over, and a third one still writes it once."""
    site.create_topics("sensor", partitions=2)
    asks = [("once", EVENTS)]
    with running_until(site, GatewayStep.RETAKEN, asks, tmp_path / "neighbour") as go_on:
        ask_and_die(site, before, asks, tmp_path / "first")
        go_on()
    with site.serving() as client:
        answer = client.post("/ingest", EVENTS, KEY)
    assert answer.status_code == 207
    assert_lies_as_said(site, answer.json()["receipts"])


def assert_lies_as_said(site: GatewaySite, receipts: list[dict[str, object]]) -> None:
    found = [each for each in site.messages("sensor") if each.key != b"first"]
    lying = [(each.partition, each.offset) for each in found]
    assert sorted((each["partition"], each["offset"]) for each in receipts) == sorted(lying)
    assert len(lying) == 2


def test_two_gateways_at_once_write_each_request_once(site: GatewaySite, tmp_path: Path) -> None:
    """The same keys at the same time: whoever comes second is told to wait, or gets the first's answer."""
    site.create_topics("sensor")
    asks = [(f"k{n}", reading(f"s{n}", n)) for n in range(60)]
    statuses = ask_at_once(site, 2, asks, tmp_path)
    assert {status for each in statuses for status in each} <= {202, 409}
    assert all(202 in pair for pair in zip(*statuses, strict=True))
    assert Counter(each.key for each in site.messages("sensor")) == {f"s{n}".encode(): 1 for n in range(60)}


def test_an_owner_that_is_only_slow_is_fenced_and_writes_nothing_more(site: GatewaySite) -> None:
    """It wakes up in the midst of its transaction, and another gateway has written the request since."""
    site.create_topics("sensor")
    answers = []
    impatient = replace(site, settings=GatewaySettings(takeover_seconds=1))

    def slow(step: Step) -> None:
        if step is GatewayStep.SENT and not answers:
            later = NOW + 3600
            with impatient.serving(clock=lambda: later) as other:
                answers.append(other.post("/ingest", reading(), KEY))

    with impatient.serving(done=slow) as client:
        answers.append(client.post("/ingest", reading(), KEY))
        answers.append(client.post("/ingest", reading(), KEY))
    assert [answer.status_code for answer in answers] == [202, 503, 202]
    assert len(site.messages("sensor")) == 1


def test_a_claim_that_nobody_asks_for_again_is_settled(site: GatewaySite, tmp_path: Path) -> None:
    """What was written gets its answer, what was not is given back; the next gateway does so at its start."""
    site.create_topics("sensor")
    ask_and_die(site, GatewayStep.COMMITTED, [("written", reading())], tmp_path / "first")
    ask_and_die(site, GatewayStep.SENT, [("absent", reading())], tmp_path / "second")
    with site.serving() as client:
        assert client.post("/ingest", reading(), {"Idempotency-Key": "another"}).status_code == 202
    claims = Claims(site.mongo)
    assert claims.unanswered(10) == []
    claims.close()
    with site.serving() as client:
        replayed = client.post("/ingest", reading(), {"Idempotency-Key": "written"})
    assert replayed.headers["idempotency-replayed"] == "true"
    assert len(site.messages("sensor")) == 2


def test_keys_are_forgotten_after_their_time(site: GatewaySite) -> None:
    """A later request with one is a new request."""
    site.create_topics("sensor")
    with site.serving() as client:
        client.post("/ingest", reading(), KEY)
    with site.serving(clock=lambda: NOW + timedelta(hours=25).total_seconds()) as client:
        client.post("/ingest", reading("s2"), {"Idempotency-Key": "another"})
        assert "idempotency-replayed" not in client.post("/ingest", reading(), KEY).headers


def test_a_broker_that_goes_away_in_the_midst(
    site: GatewaySite, own_kafka: EmbeddedKafka | Kafka, own_kafka_settings: KafkaSettings
) -> None:
    """503, and the same key again when it is back: written once."""
    own = replace(site, kafka=own_kafka_settings, settings=GatewaySettings(acknowledge_seconds=2))
    own.create_topics("sensor")
    is_away = False

    def stopping(step: Step) -> None:
        nonlocal is_away
        if step is GatewayStep.SENT and not is_away:
            is_away = True
            own_kafka.stop()

    with own.serving(done=stopping) as client:
        away = client.post("/ingest", reading(), KEY)
        own_kafka.start()
        answers = [client.post("/ingest", reading(), KEY).status_code for _ in range(20)]
    assert (away.status_code, answers[-1]) == (503, 202)
    assert len(own.messages("sensor")) == 1
