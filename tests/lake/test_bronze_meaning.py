"""Messages that another contract has decoded are what the contract on record makes of their bytes, key,
headers and Kafka time; all others are as bronze has them."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from contracts.load import load_registry
from contracts.registry import Registry
from lake.bronze_meaning import NO_CONTRACTS, Meaning, SilverOutdated, contract_number
from lake.schemas import BRONZE
from lake.silver import Decoding, Extent

REGISTRY = load_registry()
TESLA = REGISTRY.contracts["tesla"]
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
RECEIVED = NOW - timedelta(minutes=1)
PAYLOAD = {
    "data": [{"key": "VehicleSpeed", "value": {"doubleValue": 10}}],
    "createdAt": NOW.isoformat(),
    "vin": "LRW1",
}
OLD, OURS = "another", Decoding(contract_number(TESLA.hash), Extent.WHOLE)
Row = Callable[..., dict[str, Any]]


@pytest.fixture
def tesla(bronze_row: Row) -> Row:
    """A message of a Tesla that another contract has decoded."""

    def row(**more: Any) -> dict[str, Any]:
        headers = [{"key": "receivedat", "value": str(int(RECEIVED.timestamp() * 1000)).encode()}]
        about = {"topic": "tesla.telemetry.v1", "source": "tesla", "contract_hash": OLD, "kafka_time": NOW}
        return bronze_row(**(about | {"payload": json.dumps(PAYLOAD).encode(), "headers": headers} | more))

    return row


def read(meaning: Meaning, *rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    reader = pa.Table.from_pylist(list(rows), BRONZE).to_reader()
    found: list[dict[str, Any]] = meaning.read(reader).read_all().sort_by("offset").to_pylist()
    return found


def ours(registry: Registry = REGISTRY, **recorded: Decoding) -> Meaning:
    return Meaning(registry, recorded or {"tesla": OURS})


def test_a_message_is_decoded_from_all_that_kafka_had_of_it(tesla: Row) -> None:
    """Miles are kilometres, and the time of receipt of its header counts."""
    meaning = ours()
    (found,) = read(meaning, tesla())
    (reading,) = found["signals"]
    assert (found["vehicle_id"], found["received_time"]) == ("LRW1", RECEIVED)
    assert (found["error"], found["contract_hash"]) == (None, TESLA.hash)
    assert (reading["signal"], reading["effective_time"]) == ("speed", RECEIVED)
    assert reading["value"] == pytest.approx(16.09344)
    assert meaning.decoded_anew == 1


def test_the_kafka_time_still_decides_what_is_in_the_future(tesla: Row) -> None:
    """Where Kafka has none, nothing is."""
    late = NOW - timedelta(minutes=6)
    found = read(ours(), tesla(kafka_time=late), tesla(kafka_time=None, offset=1, headers=None))
    assert [row["error"] for row in found] == ["future_time", None]
    assert found[1]["received_time"] is None


def test_what_cannot_be_read_is_rejected_again(tesla: Row) -> None:
    """A message without a payload, and one that is no JSON."""
    found = read(ours(), tesla(payload=None), tesla(payload=b"{", offset=1))
    assert [(row["error"], row["signals"]) for row in found] == [("malformed_json", [])] * 2


@pytest.mark.parametrize(
    ("meaning", "overruled"),
    [
        (Meaning(REGISTRY, {}), set[str]()),
        (Meaning(REGISTRY, {"car": OURS}), set[str]()),
        (Meaning(REGISTRY, {"tesla": Decoding(contract_number(OLD), Extent.WHOLE)}), set[str]()),
        (Meaning(REGISTRY, {"tesla": Decoding(contract_number("a third"), Extent.WHOLE)}), {"tesla"}),
        (Meaning(NO_CONTRACTS, {"tesla": OURS}), {"tesla"}),
    ],
    ids=["nothing on record", "another source", "by the one on record", "a third one", "no contracts"],
)
def test_otherwise_bronze_counts(tesla: Row, meaning: Meaning, overruled: set[str]) -> None:
    """Where it is not by the contract on record, that is noticed."""
    (before,) = pa.Table.from_pylist([tesla()], BRONZE).to_pylist()
    assert read(meaning, tesla()) == [before]
    assert meaning.overruled == overruled
    assert {each.extent for each in meaning.changed().values()} == ({Extent.PARTLY} if overruled else set())


def test_only_those_messages_are_decoded_that_need_it(tesla: Row, bronze_row: Row) -> None:
    """In one batch with others, none is lost and none is doubled."""
    rows = [tesla(), tesla(contract_hash=TESLA.hash, offset=1), bronze_row(offset=2), tesla(offset=3)]
    meaning = ours()
    found = read(meaning, *rows)
    assert [row["offset"] for row in found] == [0, 1, 2, 3]
    assert meaning.decoded_anew == 2
    assert found[1]["signals"] == rows[1]["signals"]


def test_a_topic_that_had_no_contract_is_of_the_source_that_names_it_now(tesla: Row) -> None:
    """What was landed as unknown can be read."""
    unknown: dict[str, Any] = {
        "source": None,
        "contract_hash": None,
        "error": "unknown_source",
        "signals": [],
    }
    (found,) = read(ours(), tesla(**unknown))
    assert (found["source"], found["error"], len(found["signals"])) == ("tesla", None, 1)


@pytest.mark.parametrize(
    "recorded",
    [
        Decoding(OURS.contract, Extent.PARTLY),
        Decoding(OURS.contract, Extent.UNDER_WAY),
        Decoding(contract_number(OLD), Extent.WHOLE),
    ],
)
def test_what_silver_has_not_wholly_by_our_contract_cannot_be_read_again(recorded: Decoding) -> None:
    """The source is named; one that is wholly by ours can."""
    ours().require_whole()
    with pytest.raises(SilverOutdated, match="fleetlake redecode --source tesla"):
        ours(tesla=recorded).require_whole()
