"""The truth that a run's messages carry is the one that the contracts give them: neither is made from the
other, so what a case calls wrong is wrong."""

import pytest

from broker.record import Records
from contracts.load import load_registry
from ingest.decoding import DecodedRun, RunDecoder
from ingest.metrics import SinkMetrics
from tests.faults.rig.message import Message
from tests.faults.rig.storms import LARGEST_BYTES, LARGEST_GOOD_BYTES
from tests.faults.rig.traffic import MAKERS, Traffic

NOW_MS = 1_760_000_000_000


def messages(source: str, count: int) -> list[Message]:
    """Half of them bad."""
    traffic = Traffic(NOW_MS - 3_600_000, bad=0.5, sources=(source,))
    return [traffic.message(number) for number in range(count)]


def decoded(sent: list[Message]) -> DecodedRun:
    """As every sink decodes them."""
    count = len(sent)
    records = Records(
        topic=sent[0].topic,
        partition=0,
        offsets=list(range(count)),
        times_ms=[NOW_MS] * count,
        keys=[message.key for message in sent],
        headers=[None] * count,
        values=[message.payload for message in sent],
        next_offset=count,
    )
    return RunDecoder(load_registry([]), SinkMetrics("test")).decode(records)


@pytest.mark.parametrize("source", MAKERS)
def test_a_message_is_rejected_for_the_reason_it_was_made_with(source: str) -> None:
    """And good ones are not."""
    sent = messages(source, 60)
    assert decoded(sent).decoded.column("error").to_pylist() == [message.reason for message in sent]
    assert {message.reason is None for message in sent} == {True, False}


@pytest.mark.parametrize("source", MAKERS)
def test_a_message_has_the_values_it_was_made_with(source: str) -> None:
    """Names that no contract knows are beside them, and never part of the truth of a state."""
    sent = messages(source, 60)
    for message, signals in zip(sent, decoded(sent).decoded.column("signals").to_pylist(), strict=True):
        found = {signal["signal"]: signal["value"] for signal in signals or []}
        known = {name: value for name, value in found.items() if not name.startswith("n")}
        assert known == {value.signal: value.value for value in message.values}


def test_large_messages_reach_both_limits() -> None:
    """The one that is read, to the byte, and the broker's."""
    sizes = {len(message.payload) for message in messages("large", 60)}
    assert sizes == {LARGEST_GOOD_BYTES, LARGEST_GOOD_BYTES + 1, LARGEST_BYTES}
