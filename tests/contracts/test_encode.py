"""What is encoded is decoded again: decode(encode(e)) is e, for every source."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.encode import CannotEncode, Event, Message, Reading, encode
from contracts.load import load_registry
from contracts.meaning import Meaning, meanings
from contracts.names import safe_name
from contracts.result import Decoded
from contracts.units import IDENTITY

REGISTRY = load_registry()
T = 1_761_559_635_123_000


def signals_of(source: str) -> list[Meaning]:
    found: list[Meaning] = []
    for meaning in meanings(REGISTRY.contracts[source], REGISTRY.catalog).values():
        found += [meaning] if isinstance(meaning, Meaning) else meaning.values()
    return list({one.signal: one for one in found}.values())


def canonical_values(meaning: Meaning) -> st.SearchStrategy[float | str]:
    if meaning.kind == "bool":
        return st.sampled_from([0.0, 1.0])
    if meaning.kind == "text":
        return st.sampled_from([canonical for _, canonical in meaning.values] or ["Clouds", "", 'é"\\'])
    return st.floats(max(meaning.minimum, -1e7), min(meaning.maximum, 1e7)).map(lambda value: value + 0.0)


@st.composite
def events(draw: st.DrawFn, source: str) -> Event:
    """Of all signals that the source has, or some, and one that nobody knows."""
    contract = REGISTRY.contracts[source]
    known = signals_of(source)
    needed = {contract.fields[wire].signal for wire in contract.required}
    chosen = [one for one in known if one.signal in needed or draw(st.booleans())] or known[:1]
    # Twizy's clock is local and without a zone: the hour that is twice a year is not drawn.
    time = draw(st.integers(1_600_000_000_000, 1_600_000_000_000 + 86_400_000)) * 1_000
    received = None if contract.received_time is None else time + draw(st.integers(0, 10_000)) * 1_000
    sensor = draw(st.sampled_from(["s1", "é"])) if contract.sensor else None
    readings = [Reading(one.signal, draw(canonical_values(one)), time, sensor) for one in chosen]
    if draw(st.booleans()):
        name = safe_name(draw(st.sampled_from(["a.b", "speed?", "x", "$y", "soc%"])), REGISTRY.catalog)
        value: float | str = draw(st.sampled_from([1.5, -7.0]) | st.sampled_from(["on", "é"]))
        readings.append(Reading(name, value, time, sensor))
    return Event(draw(st.sampled_from(["V1", "HONDA 231", "é", 'q"'])), time, received, tuple(readings))


def decoded(messages: list[Message]) -> list[Decoded]:
    found = []
    for message in messages:
        decoder = REGISTRY.decoder(message.topic)
        result = decoder.decode_one(message.payload, -1, message.key, message.headers)
        assert isinstance(result, Decoded), (message, result)
        assert result.rejected_signals == ()
        found.append(result)
    return found


@pytest.mark.parametrize("source", list(REGISTRY.contracts))
@settings(max_examples=40)
@given(data=st.data())
def test_decoding_is_the_inverse_of_encoding(source: str, data: st.DataObject) -> None:
    """Vehicle, times, sensors and values; converted units but for a last digit."""
    event = data.draw(events(source))
    exact = {one.signal for one in signals_of(source) if one.conversion == IDENTITY}
    results = decoded(encode(REGISTRY.contracts[source], event))
    assert {result.vehicle_id for result in results} == {event.vehicle_id}
    assert {result.event_time for result in results} == {event.event_time_us}
    assert {result.received_time for result in results} == {event.received_time_us}
    got = {one.signal: one for result in results for one in result.signals}
    assert len(got) == len(event.readings)
    for reading in event.readings:
        one = got[reading.signal]
        assert (one.event_time, one.sensor) == (reading.event_time_us, reading.sensor)
        value = one.text if one.value is None else one.value
        if (
            reading.signal in exact
            or isinstance(reading.value, str)
            or reading.signal not in REGISTRY.catalog
        ):
            assert value == reading.value
        else:
            assert value == pytest.approx(reading.value, rel=1e-15, abs=1e-12)


def event(*readings: tuple[str, float | str], **rest: Any) -> Event:
    sensor = rest.get("sensor")
    return Event("V1", T, rest.get("received"), tuple(Reading(*one, T, sensor) for one in readings))


def test_a_tcu_event_looks_like_the_documented_one() -> None:
    """Order of keys, fillers, texts for numbers."""
    (message,) = encode(REGISTRY.contracts["tcu"], event(("odometer", 101.5), received=T + 875_000))
    assert message.topic == "telemetry_raw"
    assert message.key == b"V1"
    assert message.payload == (
        b'{"did":"V1","timestamp":"1761559635123","name":"odometer","value_type":"0","float_value":101.5,'
        b'"string_value":"","int_value":"0","eventTime":"2025-10-27T10:07:15.123Z",'
        b'"receivedTime":"2025-10-27T10:07:15.998Z"}'
    )


def test_every_reading_of_a_long_source_is_a_message_at_its_own_time() -> None:
    """And of a wide source, the readings of one time are one message."""
    readings = (Reading("speed", 1.0, T), Reading("soc", 2.0, T + 1_000), Reading("odometer", 3.0, T))
    long = encode(REGISTRY.contracts["tcu"], Event("V", T, None, readings))
    assert [result.event_time - T for result in decoded(long)] == [0, 1_000, 0]
    wide = encode(REGISTRY.contracts["environment"], Event("V", T, None, readings[:1]))
    assert json.loads(wide[0].payload) == {
        "vehicle_id": "V",
        "timestamp": "2025-10-27T10:07:15.123Z",
        "speed": 1,
    }
    two = (Reading("speed", 1.0, T), Reading("temperature", 2.0, T + 1_000), Reading("humidity", 3.0, T))
    assert len(encode(REGISTRY.contracts["environment"], Event("V", T, None, two))) == 2


def test_pressure_messages_are_keyed_by_their_sensor() -> None:
    """As the source's own producers do."""
    (message,) = encode(REGISTRY.contracts["pressure"], event(("pressure", 1.0), sensor="honda23100"))
    assert message.key == b"honda23100"


def test_a_header_carries_the_time_of_receipt() -> None:
    """Tesla's `receivedat`, in milliseconds."""
    (message,) = encode(REGISTRY.contracts["tesla"], event(("soc", 1.0), received=T))
    assert message.headers == (("receivedat", b"1761559635123"),)


def test_what_a_source_cannot_say_is_an_error() -> None:
    """A signal it has no name for, and a word it does not know."""
    with pytest.raises(CannotEncode, match="humidity"):
        encode(REGISTRY.contracts["tcu"], event(("humidity", 1.0)))
    with pytest.raises(CannotEncode, match="gear"):
        encode(REGISTRY.contracts["tesla"], event(("gear", "sideways")))
