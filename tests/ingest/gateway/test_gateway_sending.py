"""Events without a key: answered when the broker has them, and with what is known where it has not."""

import asyncio
import gzip
import json
import os
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from broker.errors import BrokerUnavailable
from broker.producer import Headers, Told
from broker.record import Written
from broker.settings import KafkaSettings
from contracts.problem import Kind, Problem
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.sending import Sending
from ingest.gateway.settings import GatewaySettings
from ingest.gateway.sources import Event
from lake.settings import MongoSettings
from tests.ingest.gateway.site import NORTH, GatewaySite, reading, snapshot
from tests.servers import EmbeddedKafka, Kafka

EVENT = Event(0, "car", "cars", "C", b"C", b"{}", ())


def test_an_event_lies_where_its_receipt_says_byte_for_byte(site: GatewaySite) -> None:
    """Keyed by its vehicle; 101.50 stays 101.50."""
    site.create_topics("sensor")
    body = b' { "sensor_id":"s1", "timestamp":"2026-02-28T10:00:00Z", "temperature": 21.50 }\n'
    with site.serving() as client:
        answer = client.post("/ingest", body)
    document = answer.json()
    assert (answer.status_code, document["accepted"], document["rejected"]) == (202, 1, 0)
    [receipt], [message] = document["receipts"], site.messages("sensor")
    assert receipt == {
        "index": 0,
        "source": "sensor",
        "topic": site.topic("sensor"),
        "partition": message.partition,
        "offset": message.offset,
    }
    assert (message.key, message.value, message.headers) == (b"s1", body, None)


def test_some_events_of_an_array_are_refused_and_the_others_written(site: GatewaySite) -> None:
    """207: which, and why; packed or not."""
    site.create_topics("sensor", "car")
    events = [reading("s1"), reading("s2", humidity=160), snapshot(), {"a": 1}, reading("s3")]
    with site.serving() as client:
        answer = client.post(
            "/ingest", gzip.compress(json.dumps(events).encode()), {"content-encoding": "gzip"}
        )
    document = answer.json()
    assert (answer.status_code, document["accepted"], document["rejected"]) == (207, 3, 2)
    assert [receipt["index"] for receipt in document["receipts"]] == [0, 2, 4]
    assert [(each["index"], each["reason"]) for each in document["problems"]] == [
        (1, "out_of_range"),
        (3, "unknown_source"),
    ]
    assert [field["field"] for field in document["problems"][0]["fields"]] == ["humidity"]
    assert sorted(str(message.key) for message in site.messages("sensor")) == ["b's1'", "b's3'"]


def test_many_events_and_many_requests_at_once(site: GatewaySite) -> None:
    """Each receipt names another place, and each place has its event."""
    site.create_topics("sensor")
    batches = [[reading(f"s{number}-{n}", n) for n in range(40)] for number in range(20)]
    with site.serving() as client:
        answers = client.posts([("/ingest/sensor", batch, {}) for batch in batches])
    places = {}
    for batch, answer in zip(batches, answers, strict=True):
        assert answer.status_code == 202
        for receipt in answer.json()["receipts"]:
            event = batch[receipt["index"]]
            places[receipt["partition"], receipt["offset"]] = json.dumps(event, separators=(", ", ": "))
    found = {(each.partition, each.offset): (each.value or b"").decode() for each in site.messages("sensor")}
    assert found == places
    assert len(found) == 800


def test_what_is_refused_is_not_written(site: GatewaySite) -> None:
    """400 for one event and for several; 403 for a vehicle of another fleet."""
    site.create_topics("car")
    with site.serving(NORTH) as client:
        assert client.post("/ingest", snapshot(speed=300)).status_code == 400
        assert client.post("/ingest", [snapshot(speed=300), {"a": 1}]).status_code == 400
        assert client.post("/ingest", snapshot("CAR_002")).status_code == 403
        several = client.post("/ingest", [snapshot("CAR_002"), snapshot("CAR_001")])
    assert [problem["reason"] for problem in several.json()["problems"]] == ["forbidden_vehicle"]
    assert [message.key for message in site.messages("car")] == [b"CAR_001"]


def test_an_event_that_the_topic_does_not_take_is_the_clients_problem(site: GatewaySite) -> None:
    """Not written, for sure; the others are."""
    site.create_topics("sensor", **{"max.message.bytes": "2000"})
    note = b64encode(os.urandom(3000)).decode()  # no compression makes it small enough
    with site.serving() as client:
        large = reading("s1", note=note)
        assert client.post("/ingest", [large, reading("s2")]).status_code == 207
        alone = client.post("/ingest", large)
    assert (alone.status_code, alone.json()["problems"][0]["reason"]) == (400, "too_large")
    assert [message.key for message in site.messages("sensor")] == [b"s2"]


def test_a_broker_that_is_away_is_said_and_nothing_pretended(
    site: GatewaySite, own_kafka: EmbeddedKafka | Kafka, own_kafka_settings: KafkaSettings
) -> None:
    """503 with the places of events whose fate nobody knows; when it is back, so is the gateway."""
    own = replace(site, kafka=own_kafka_settings, settings=GatewaySettings(acknowledge_seconds=2))
    own.create_topics("sensor")
    with own.serving() as client:
        assert client.post("/ingest", reading()).status_code == 202
        own_kafka.stop()
        answer = client.post("/ingest", [reading("s1", 1), reading("s2", 2)])
        own_kafka.start()
        back = [client.post("/ingest", reading("s3", n)).status_code for n in range(20)]
    document = answer.json()
    assert (answer.status_code, document["type"]) == (503, "urn:fleetlake:problem:unavailable")
    assert document["unknown"] == [0, 1]
    assert int(answer.headers["retry-after"]) > 0
    assert back[-1] == 202


def test_without_mongodb_events_without_a_key_are_taken(site: GatewaySite) -> None:
    """It is needed for keys only."""
    site.create_topics("sensor")
    without = replace(site, mongo=MongoSettings(uri="mongodb://127.0.0.1:9", timeout_s=0.5))
    with without.serving() as client:
        assert client.post("/ingest", reading()).status_code == 202
        keyed = client.post("/ingest", reading(), {"Idempotency-Key": "k"})
    assert (keyed.status_code, keyed.json()["type"]) == (503, "urn:fleetlake:problem:unavailable")
    assert "9" not in keyed.json()["detail"]
    assert len(site.messages("sensor")) == 1


class Held:
    """A producer that acknowledges when it is told to."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        *,
        told: Told | None = None,
    ) -> None:
        assert told is not None
        self.told.append(told)


def test_what_waits_for_kafka_is_bounded() -> None:
    """429 while Kafka answers, 503 when it has not for long; room again when it has."""
    clock = [0.0]
    producer, settings = Held(), GatewaySettings(in_flight_events=10, max_events=10)

    async def scene() -> None:
        sending = Sending(producer, settings, GatewayMetrics(), lambda: clock[0])
        first = asyncio.create_task(sending.send([EVENT] * 8))
        await asyncio.sleep(0)
        assert await refusal(sending, 3) is Kind.TOO_MANY_REQUESTS
        clock[0] = 60.0
        assert await refusal(sending, 3) is Kind.UNAVAILABLE
        for offset, told in enumerate(producer.told):
            told(Written(0, offset) if offset else BrokerUnavailable("kafka", "writing", "gone"))
        outcomes = await first
        assert isinstance(outcomes[0], BrokerUnavailable)
        assert outcomes[1:] == [Written(0, offset) for offset in range(1, 8)]
        second = asyncio.create_task(sending.send([EVENT] * 10))
        await asyncio.sleep(0)
        for told in producer.told[8:]:
            told(Written(0, 0))
        assert len(await second) == 10

    asyncio.run(scene())


async def refusal(sending: Sending, events: int) -> Kind:
    with pytest.raises(Problem) as caught:
        await sending.send([EVENT] * events)
    assert caught.value.headers["Retry-After"]
    return caught.value.kind


def test_what_happened_is_counted(site: GatewaySite) -> None:
    """By source and reason."""
    site.create_topics("sensor")
    metrics = GatewayMetrics()
    with site.serving(metrics=metrics) as client:
        client.post("/ingest", [reading(), reading(humidity=160), {"a": 1}])

    def value(name: str, **labels: Any) -> float | None:
        return metrics.registry.get_sample_value(f"fleetlake_gateway_{name}", labels)

    assert value("accepted_total", source="sensor") == 1
    assert value("rejected_total", source="sensor", reason="out_of_range") == 1
    assert value("rejected_total", source="", reason="unknown_source") == 1
    assert value("acknowledge_seconds_count") == 1
    assert value("in_flight_events") == 0
