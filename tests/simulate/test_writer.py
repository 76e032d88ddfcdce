"""The fast way to write a message gives the bytes of `encode`."""

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.encode import Encoder, Event, Reading
from contracts.load import load_registry
from contracts.registry import Registry
from simulate.channels import Channel, Value, channels_of
from simulate.senses import SENSES
from simulate.stencil import Facts
from simulate.writer import Writer

STENCILLED = ("car", "environment", "pressure", "sensor", "tcu", "vss")
TIMES = st.integers(1_000_000_000_000_000, 2_000_000_000_000_000)


@cache
def registry() -> Registry:
    return load_registry()


@cache
def writer(source: str) -> Writer:
    """One for all examples: stencils are kept and used again."""
    return Writer(registry().contracts[source], registry().catalog)


def values(channel: Channel) -> st.SearchStrategy[Value]:
    """Numbers within the channel's range, rounded as it rounds."""
    low, high = max(channel.low, -1e7), min(channel.high, 1e7)
    return st.floats(low, high).map(lambda value: round(value, channel.decimals) + 0.0)


@st.composite
def reports(draw: st.DrawFn, source: str) -> tuple[Facts, list[tuple[Channel, Value]]]:
    """What a vehicle of the source might report."""
    contract = registry().contracts[source]
    channels = channels_of(contract, registry().catalog, SENSES)
    if contract.shape == "long":
        channels = [draw(st.sampled_from(channels))]
    received = draw(TIMES) // 1000 * 1000 if contract.received_time else None
    sensor = draw(st.sampled_from(["honda23100", "s_1"])) if contract.sensor else None
    vehicle = draw(st.sampled_from(["1000", "HONDA 231", "CAR_001"]))
    facts = Facts(vehicle, draw(TIMES) // draw(st.sampled_from([1, 1000, 1_000_000])), received, sensor)
    return facts, [(channel, draw(values(channel))) for channel in channels]


@pytest.mark.parametrize("source", STENCILLED)
@settings(max_examples=60)
@given(data=st.data())
def test_a_stencil_writes_what_encode_writes(source: str, data: Any) -> None:
    """Byte for byte, whatever is reported and whenever."""
    facts, seen = data.draw(reports(source))
    readings = tuple(Reading(channel.signal, value, facts.event_us, facts.sensor) for channel, value in seen)
    encoder = Encoder(registry().contracts[source], registry().catalog)
    expected = encoder.encode(Event(facts.vehicle_id, facts.event_us, facts.received_us, readings))[0]
    assert writer(source).write(facts, seen) == (expected.key, expected.payload, expected.headers)


@pytest.mark.parametrize("source", STENCILLED)
def test_the_fast_way_is_taken(source: str) -> None:
    """The sources that loads are made of are written by stencil."""
    contract = registry().contracts[source]
    channels = channels_of(contract, registry().catalog, SENSES)
    seen = [(channel, 40.5) for channel in (channels[:1] if contract.shape == "long" else channels)]
    one = writer(source)
    one.write(Facts("1000", 1_700_000_000_000_000, 1_700_000_000_500_000, "s_1"), list(seen))
    assert one.uses_stencil(seen[0])
