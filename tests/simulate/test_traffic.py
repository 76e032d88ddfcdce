"""What a simulation sends: always the same, in the shares asked for, and labelled as decoding sees it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from contracts.catalog import Catalog
from contracts.decode import Decoder
from contracts.load import load_registry
from contracts.reasons import Reason
from contracts.registry import Registry
from contracts.result import Decoded, Rejected
from simulate.anomalies import crosses
from simulate.parcel import Parcel
from simulate.plan import Request, Shares, plan
from simulate.run import Simulation
from simulate.tally import Label, MeasuredReceipt, Receipt
from simulate.traffic import Traffic

NOW_US = 1_785_000_000_000_000
SOURCES = ("car", "environment", "pressure", "sensor", "tcu", "tesla", "twizy", "vss")
NOTHING_ODD = Shares(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
MUCH_ODD = Shares(anomalies=0.1, invalid=0.4, bad_signals=0.1, late=0.05, duplicates=0.05, out_of_order=0.05)


@cache
def registry() -> Registry:
    return load_registry()


def a_request(source: str, *, count: int, shares: Shares = NOTHING_ODD) -> Request:
    """As fast as it goes."""
    return Request(sources=(source,), rate=0.0, count=count, present_us=NOW_US, shares=shares)


def sent(request: Request) -> list[Parcel]:
    """All messages, acknowledged."""
    parcels = list(Simulation(request, registry()).parcels())
    for parcel in parcels:
        parcel.receipt(None)
    return parcels


def label_of(parcel: Parcel) -> Label:
    receipt = parcel.receipt
    if isinstance(receipt, MeasuredReceipt):
        receipt = receipt.receipt
    assert isinstance(receipt, Receipt)
    return receipt.label


def decoded(parcel: Parcel) -> Decoded | Rejected:
    """As a sink reads it now."""
    contract = registry().for_topic(parcel.topic)
    assert contract is not None
    decoder = Decoder(contract, registry().catalog)
    return decoder.decode_one(parcel.payload, NOW_US // 1000, parcel.key, list(parcel.headers))


def messages(parcels: Sequence[Parcel]) -> list[tuple[object, ...]]:
    return [(one.topic, one.key, one.payload, tuple(one.headers)) for one in parcels]


@pytest.mark.parametrize("source", SOURCES)
def test_every_message_is_what_its_label_says(source: str) -> None:
    """Valid ones are accepted with the anomalies counted, broken ones rejected for the reason named, flawed
    ones lose one signal."""
    parcels = sent(a_request(source, count=1500, shares=MUCH_ODD))
    for parcel in parcels:
        label, result = label_of(parcel), decoded(parcel)
        if isinstance(result, Rejected):
            assert result.reason == label.reason, (label, parcel.payload, result.detail)
            continue
        assert label.reason is None, (label, parcel.payload)
        assert [one.reason for one in result.rejected_signals] == [
            reason for reason in [label.refused_signal] if reason
        ]
        assert sorted(label.anomalies) == sorted(anomalies_of(result, registry().catalog))


def anomalies_of(result: Decoded, catalog: Catalog) -> list[str]:
    return [
        threshold.kind
        for signal in result.signals
        if signal.value is not None
        for threshold in catalog[signal.signal].anomalies
        if crosses(threshold, signal.value)
    ]


@pytest.mark.parametrize("source", SOURCES)
def test_equal_arguments_give_equal_bytes(source: str) -> None:
    """Twice the same; another seed gives something else."""
    request = a_request(source, count=800, shares=MUCH_ODD)
    first, second, other = (sent(one) for one in (request, request, replace(request, seed=2)))
    assert messages(first) == messages(second)
    assert [parcel.due for parcel in first] == [parcel.due for parcel in second]
    assert messages(first) != messages(other)


@pytest.mark.parametrize("source", SOURCES)
def test_the_size_of_the_fleet_does_not_change_a_vehicle(source: str) -> None:
    """A vehicle sends the same alone, among twenty, and in a fleet on two machines."""
    alone = Request(
        sources=(source,), rate=0.0, duration_s=60.0, vehicles=1, present_us=NOW_US, shares=MUCH_ODD
    )
    expected = Counter(messages(sent(alone)))
    fleet = Counter(messages(sent(replace(alone, vehicles=20))))
    parts = [Counter(messages(sent(replace(alone, vehicles=10, first_vehicle=first)))) for first in (0, 10)]
    assert expected
    assert expected <= fleet
    assert fleet == parts[0] + parts[1]


def test_shares_are_what_was_asked_for() -> None:
    """Within four standard deviations, at 10,000 messages of a source that can do everything."""
    count = 10_000
    simulation = Simulation(a_request("environment", count=count, shares=MUCH_ODD), registry())
    for parcel in simulation.parcels():
        parcel.receipt(None)
    report = simulation.report()["sources"]["environment"]
    originals = count - report["duplicate"]
    found = {
        "invalid": report["invalid"],
        "anomalies": sum(report["anomalies"].values()),
        "bad_signals": sum(report["rejected_signals"].values()),
        "late": report["late"],
        "duplicates": report["duplicate"],
    }
    for name, number in found.items():
        share = getattr(MUCH_ODD, name)
        assert abs(number - share * originals) < 4.0 * (share * originals) ** 0.5, name
    assert 0.5 * MUCH_ODD.out_of_order * originals < report["out_of_order"]


def test_counts_add_up() -> None:
    """Exactly as many messages as asked for, over all sources by weight; every one is counted once."""
    request = Request(
        sources=("all", "tcu=5"), rate=0.0, count=2401, present_us=NOW_US, shares=MUCH_ODD, vehicles=5
    )
    simulation = Simulation(request, registry())
    parcels = list(simulation.parcels())
    for parcel in parcels:
        parcel.receipt(None)
    report = simulation.report()
    by_topic = Counter(parcel.topic for parcel in parcels)
    assert len(parcels) == report["total"]["acknowledged"] == 2401
    assert by_topic == {one["topic"]: one["acknowledged"] for one in report["sources"].values()}
    assert report["sources"]["tcu"]["acknowledged"] in (1000, 1001)
    for one in report["sources"].values():
        assert one["valid"] + one["invalid"] == one["acknowledged"]
        assert (
            sum(one["invalid_by_reason"].values()) == sum(one["invalid_by_fault"].values()) == one["invalid"]
        )


def test_only_what_was_acknowledged_counts() -> None:
    """Messages without an answer are not there, failed ones stand apart."""
    simulation = Simulation(a_request("tcu", count=300), registry())
    parcels = list(simulation.parcels())
    for parcel in parcels[:200]:
        parcel.receipt(None)
    parcels[200].receipt(TimeoutError())  # type: ignore[arg-type]
    report = simulation.report()["total"]
    assert (report["acknowledged"], report["failed"], report["sent"]) == (200, 1, 201)


def test_at_least_forty_kinds_of_broken_messages() -> None:
    """Every reason that a message itself can be rejected for occurs, in many ways."""
    parcels = sent(a_request("tcu", count=4000, shares=replace(NOTHING_ODD, invalid=1.0)))
    labels = {label_of(parcel) for parcel in parcels}
    assert len({label.fault for label in labels}) >= 40
    assert {label.reason for label in labels} == set(Reason) - {Reason.UNKNOWN_SOURCE}


@pytest.mark.parametrize("source", ["tcu", "tesla", "pressure"])
def test_late_and_repeated_messages_are_what_they_are_called(source: str) -> None:
    """A late one comes behind a newer one of its vehicle; a repeated one was there with the same facts."""
    shares = replace(NOTHING_ODD, late=0.1, duplicates=0.1, out_of_order=0.1)
    newest: dict[str, int] = {}
    seen: set[object] = set()
    kinds: Counter[str] = Counter()
    for parcel in sent(a_request(source, count=3000, shares=shares)):
        result, disorder = decoded(parcel), label_of(parcel).disorder
        assert isinstance(result, Decoded)
        facts = result.vehicle_id, result.signals
        if disorder in ("late", "out_of_order"):
            assert result.event_time < newest[result.vehicle_id]
        assert (facts in seen) == (disorder == "duplicate")
        seen.add(facts)
        true_time = min(result.event_time, result.received_time or result.event_time)
        newest[result.vehicle_id] = max(newest.get(result.vehicle_id, 0), true_time)
        kinds[disorder or ""] += 1
    assert min(kinds["late"], kinds["duplicate"], kinds["out_of_order"]) > 100


def test_a_message_that_tesla_sends_again_says_so() -> None:
    """Of two equal messages the second one is marked."""
    parcels = sent(a_request("tesla", count=1000, shares=replace(NOTHING_ODD, duplicates=0.2)))
    for parcel in parcels:
        marked = b'"isResend":true' in (parcel.payload or b"")
        assert marked == (label_of(parcel).disorder == "duplicate")


def test_cars_that_wake_up_have_a_clock_ahead_once() -> None:
    """By at most five minutes, before the server's time where the source has one."""
    request = replace(a_request("tcu", count=12_000), vehicles=20, interval_s=40.0)
    ahead = [parcel for parcel in sent(request) if label_of(parcel).clock_ahead]
    assert len(ahead) > 10
    for parcel in ahead:
        result = decoded(parcel)
        assert isinstance(result, Decoded)
        assert result.received_time is not None
        assert 10_000_000 < result.event_time - result.received_time <= 300_000_000
        assert result.signals[0].effective_time == result.received_time


def test_maxima_are_those_of_all_acknowledged_valid_readings() -> None:
    """As a plain computation over the decoded messages has them; about 5 % of the readings are spikes."""
    simulation = Simulation(a_request("pressure", count=10_000, shares=MUCH_ODD), registry())
    greatest: dict[str, float] = {}
    values = []
    for parcel in simulation.parcels():
        parcel.receipt(None)
        result = decoded(parcel)
        if isinstance(result, Decoded):
            for signal in result.signals:
                if signal.signal == "pressure" and signal.value is not None:
                    values.append(signal.value)
                    greatest[result.vehicle_id] = max(greatest.get(result.vehicle_id, 0.0), signal.value)
    report = simulation.report()["sources"]["pressure"]
    assert {vehicle: one["value"] for vehicle, one in report["maxima"].items()} == greatest
    assert len(greatest) == 10
    assert 0.02 < sum(value > 900_000 for value in values) / len(values) < 0.06


def test_simulated_time_ends_before_the_present() -> None:
    """However fast: no event is in the future, and a run that reaches the present says so."""
    request = Request(sources=("car",), rate=0.0, duration_s=50.0, present_us=NOW_US, shares=NOTHING_ODD)
    assert all(isinstance(decoded(parcel), Decoded) for parcel in sent(request))
    late_start = Simulation(replace(request, start_us=NOW_US - 10_000_000), registry())
    assert max(parcel.due for parcel in late_start.parcels()) < 10.0
    assert late_start.report()["reached_present"]


def test_a_fleet_at_a_constant_rate() -> None:
    """Two sources share 1,000 messages a second three to one; what is due grows evenly."""
    request = Request(sources=("tcu=3", "car"), rate=1000.0, duration_s=10.0, present_us=NOW_US)
    parcels = sent(request)
    dues = [parcel.due for parcel in parcels]
    topics = Counter(parcel.topic for parcel in parcels)
    assert dues == sorted(dues)
    assert len(parcels) == pytest.approx(10_000, rel=0.02)
    assert topics["telemetry_raw"] == pytest.approx(7_500, rel=0.02)
    assert sum(due < 5.0 for due in dues) == pytest.approx(5_000, rel=0.03)


CUSTOM = """
name: truck
shape: wide
topics: {truck.telemetry.v1: {partitions: 3}}
vehicle: {field: id}
event_time: {field: t, format: epoch_s}
signals:
  v: {signal: speed, unit: m/s, maximum: 30}
  fuel: fuel_level
  cargo: pressure
  state: {signal: charge_state, values: {"0": stopped, "1": charging}}
required: [v, fuel]
thresholds: {speed: [{kind: too_fast, op: ">", limit: 25}]}
"""


def test_any_contract_can_be_simulated(tmp_path: Path) -> None:
    """A contract of one's own: its units, ranges, texts and thresholds are kept."""
    (tmp_path / "truck.yml").write_text(CUSTOM)
    own = load_registry([tmp_path])
    request = replace(a_request("truck", count=2000, shares=MUCH_ODD))
    traffic = Traffic(plan(request, own).sources[0], own.catalog)
    decoder = Decoder(own.contracts["truck"], own.catalog)
    for parcel in traffic:
        parcel.receipt(None)
        result = decoder.decode_one(parcel.payload, NOW_US // 1000, parcel.key, None)
        label = label_of(parcel)
        assert (result.reason if isinstance(result, Rejected) else None) == label.reason, parcel.payload
    report = traffic.tally.as_json()
    assert report["anomalies"]["too_fast"] > 100
    assert report["invalid"] > 600


def test_vehicles_are_named_as_their_source_names_them() -> None:
    """Ids as in the formats that the sources come from."""
    patterns = {
        "tcu": r"\d{4}",
        "car": r"CAR_\d{3}",
        "environment": r"VH\d{3}",
        "pressure": r"(honda|toyota|ford|renault|tata)23[12]\d{2,3}",
        "sensor": r"sensor_\d+",
        "tesla": r"LRW[A-Z0-9]{14}",
        "vss": r"W[A-Z0-9]{16}",
    }
    for source, pattern in patterns.items():
        keys = {(parcel.key or b"").decode() for parcel in sent(a_request(source, count=50))}
        assert all(re.fullmatch(pattern, key) for key in keys), keys
