"""The fast way decodes as the reference does, whatever comes."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.assemble import assemble
from contracts.decode import SMALL, Decoder, RawBatch
from contracts.load import load_registry
from tests.contracts import wire

REGISTRY = load_registry()

Row = tuple[bytes | None, int, bytes | None, Any]


def rows(source: str) -> st.SearchStrategy[Row]:
    return st.tuples(wire.payloads(source), wire.KAFKA_TIMES, wire.KEYS, wire.HEADERS)


def batch_of(messages: Sequence[Row]) -> RawBatch:
    columns = list(zip(*messages, strict=True))
    return RawBatch(*columns)


def assert_as_reference(decoder: Decoder, messages: Sequence[Row]) -> None:
    decoded = decoder.decode(batch_of(messages))
    decoded.validate(full=True)
    expected = assemble(decoder.contract, [decoder.decode_one(*message) for message in messages])
    for row, (got, wanted) in enumerate(zip(decoded.to_pylist(), expected.to_pylist(), strict=True)):
        assert got == wanted, messages[row]
    assert decoded.equals(expected)


@pytest.mark.parametrize("source", list(wire.MESSAGES))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_batch_decodes_like_its_messages_one_by_one(source: str, data: st.DataObject) -> None:
    """Valid, odd and broken messages, in any mixture and order."""
    messages = data.draw(st.lists(rows(source), min_size=SMALL, max_size=60))
    decoder = REGISTRY.decoder_of(REGISTRY.contracts[source])
    assert_as_reference(decoder, messages)
    assert_as_reference(decoder, messages[::-1])
