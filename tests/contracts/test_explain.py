"""What is wrong with a message, field by field: all of it, in the message's own words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.explain import Explainer
from contracts.load import load_registry
from contracts.recognise import Recogniser
from contracts.result import Decoded, Refused
from tests.contracts import wire

REGISTRY = load_registry()
RECOGNISER = Recogniser(REGISTRY.contracts.values())
KAFKA_MS = 1_761_560_000_000
"""2025-10-27T10:13:20Z"""


def explained(source: str, payload: bytes) -> dict[str, str]:
    """Field -> reason."""
    contract = REGISTRY.contracts[source]
    problems = Explainer(contract, REGISTRY.catalog, REGISTRY.limits).problems(payload, KAFKA_MS, None)
    return {problem.field: problem.reason.value for problem in problems}


CASES = {
    "several fields of a sensor": (
        "sensor",
        b'{"timestamp":"soon","temperature":"hot","humidity":160,"location":{"latitude":91}}',
        {
            "sensor_id": "missing_field",
            "timestamp": "bad_time",
            "temperature": "bad_type",
            "humidity": "out_of_range",
            "location.latitude": "out_of_range",
        },
    ),
    "missing and bad fields of a car": (
        "car",
        b'{"car_id":"C","timestamp":"2025-10-27T10:07:15Z","speed":300,"rpm":1,"engine_temp":90,"latitude":1}',
        {"fuel_level": "missing_field", "longitude": "missing_field", "speed": "out_of_range"},
    ),
    "a clock that is ahead": (
        "environment",
        b'{"vehicle_id":"V","timestamp":"2025-10-27T11:00:00Z","speed":1}',
        {"timestamp": "future_time"},
    ),
    "a sensor without a name": (
        "pressure",
        b'{"timestamp":"2025-10-27 10:07:15Z","pressure":1,"vehicleId":"V"}',
        {"sensorId": "missing_field"},
    ),
    "a signal without a name": (
        "tcu",
        b'{"did":"1","timestamp":1761559635000,"float_value":1}',
        {"name": "missing_field"},
    ),
    "items of a list": (
        "tesla",
        b'{"data":[{"key":"Soc","value":{"invalid":true}},{"key":"Location","value":{"locationValue":'
        b'{"latitude":91,"longitude":1}}}],"createdAt":"2025-10-27T10:07:15Z","vin":"L"}',
        {"Soc": "bad_type", "Location.latitude": "out_of_range"},
    ),
    "no list at all": (
        "tesla",
        b'{"createdAt":"2025-10-27T10:07:15Z","vin":"L"}',
        {"data": "missing_field"},
    ),
    "an unknown signal that is too large": (
        "environment",
        b'{"vehicle_id":"V","timestamp":"2025-10-27T10:07:15Z","speed":1,"note":{"a":"%s"}}' % (b"x" * 5000),
        {"note": "too_large"},
    ),
}


@pytest.mark.parametrize(("source", "payload", "expected"), CASES.values(), ids=CASES)
def test_every_field_that_is_wrong_is_named(source: str, payload: bytes, expected: dict[str, str]) -> None:
    """By the name that the message has for it."""
    assert explained(source, payload) == expected


@pytest.mark.parametrize("source", sorted(wire.MESSAGES))
@given(data=st.data())
def test_what_is_explained_is_what_decoding_refuses(source: str, data: st.DataObject) -> None:
    """Of one that is decoded, its refused readings; of one that is rejected, its reason among others."""
    payload = data.draw(wire.payloads(source)) or b""
    contract = REGISTRY.contracts[source]
    result = REGISTRY.decoder_of(contract).decode_one(payload, KAFKA_MS, b"T1")
    found = Explainer(contract, REGISTRY.catalog, REGISTRY.limits).problems(payload, KAFKA_MS, None)
    reasons = [problem.reason for problem in found]
    if isinstance(result, Decoded):
        assert sorted(reasons) == sorted(refused.reason for refused in result.rejected_signals)
    elif reasons:
        assert result.reason in reasons


SHAPES = {
    "tcu": ("did", "timestamp", "name", "float_value"),
    "car": ("car_id", "timestamp", "speed", "rpm", "engine_temp", "fuel_level", "latitude", "longitude"),
    "environment": ("vehicle_id", "timestamp", "speed"),
    "pressure": ("timestamp", "pressure", "temperature", "sensorId", "vehicleId"),
    "sensor": ("sensor_id", "timestamp", "temperature", "humidity", "location"),
    "tesla": ("data", "createdAt", "vin"),
    "vss": ("path", "value", "ts", "vin"),
}


@pytest.mark.parametrize(("source", "names"), SHAPES.items(), ids=SHAPES)
def test_a_message_is_known_by_its_fields(source: str, names: tuple[str, ...]) -> None:
    """Of each source, also with fields more."""
    assert RECOGNISER.recognise(names) is REGISTRY.contracts[source]
    assert RECOGNISER.recognise((*names, "firmware")) is REGISTRY.contracts[source]


def test_a_message_of_which_something_is_missing_is_still_its_sources() -> None:
    """Which can say what is missing; that nobody knows the shape would be no help."""
    assert RECOGNISER.recognise(["sensor_id", "temperature"]) is REGISTRY.contracts["sensor"]
    assert RECOGNISER.recognise(["car_id"]) is REGISTRY.contracts["car"]


def test_what_may_be_two_or_none_names_the_choices() -> None:
    """And is no guess."""
    both, none = RECOGNISER.recognise(["vin"]), RECOGNISER.recognise(["temperature", "humidity"])
    assert isinstance(both, Refused)
    assert "tesla or vss" in both.detail
    assert isinstance(none, Refused)
    assert "car, environment" in none.detail


def test_a_source_whose_messages_name_no_vehicle_needs_it_beside_them() -> None:
    """As the recordings do, whose files are the vehicles."""
    names = ["Date", "Time", "Soc"]
    assert RECOGNISER.recognise(names, has_vehicle=True) is REGISTRY.contracts["twizy"]
    assert isinstance(RECOGNISER.recognise(names), Refused)
