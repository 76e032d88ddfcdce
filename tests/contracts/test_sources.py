"""The documented messages of every source, as they stand in its documentation, become the right signals."""

import csv
import gzip
import json
from collections import Counter
from importlib.resources import files

import pytest

from contracts.load import load_registry
from contracts.reasons import Reason
from contracts.render import SignalState, render_state
from contracts.result import Decoded, Rejected
from contracts.times import iso_text

REGISTRY = load_registry()
DATA = files("simulate") / "data"


def decoded(source: str, payload: bytes, **rest: object) -> Decoded:
    result = REGISTRY.decoder_of(REGISTRY.contracts[source]).decode_one(payload, **rest)  # type: ignore[arg-type]
    assert isinstance(result, Decoded), result
    return result


def values(result: Decoded) -> dict[str, float | str | None]:
    return {one.signal: one.text if one.value is None else one.value for one in result.signals}


def test_a_tcu_event_has_one_signal_at_its_own_time() -> None:
    """S0, the documented message."""
    result = decoded(
        "tcu",
        b'{"did":"981","timestamp":"1761559635000","name":"odometer","value_type":"0","float_value":101.50,'
        b'"string_value":"","int_value":"0","eventTime":"2025-10-27T10:07:15.000Z",'
        b'"receivedTime":"2025-10-27T10:07:15.875Z"}',
    )
    assert result.vehicle_id == "981"
    assert values(result) == {"odometer": 101.5}
    assert iso_text(result.event_time) == "2025-10-27T10:07:15.000Z"
    assert result.received_time == result.event_time + 875_000


def test_the_short_form_of_a_tcu_event() -> None:
    """No value_type, no eventTime: the value that is there, and the timestamp in milliseconds."""
    result = decoded(
        "tcu", b'{"did":"1000","timestamp":1690000000000,"name":"odometer","float_value":123.45}'
    )
    assert (result.event_time, result.received_time) == (1_690_000_000_000_000, None)
    assert values(result) == {"odometer": 123.45}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ('"value_type":"1","float_value":0,"string_value":"","int_value":25', 25.0),
        ('"value_type":1,"int_value":"25"', 25.0),
        ('"value_type":"0","float_value":"25.5","int_value":7', 25.5),
        ('"value_type":"2","string_value":"25"', 25.0),
        ('"value_type":"2","string_value":25', 25.0),
        ('"int_value":25', 25.0),
        ('"value_type":null,"string_value":" 25 "', 25.0),
        ('"value_type":"","float_value":0,"string_value":"","int_value":25', 25.0),
        ('"float_value":0,"string_value":"","int_value":"0"', 0.0),
        ('"value_type":"0","float_value":2.5e1', 25.0),
        ('"value_type":"0","float_value":true', 1.0),
        ('"value_type":"0","float_value":-0.0', 0.0),
    ],
)
def test_a_number_is_a_number_however_it_comes(fields: str, expected: float) -> None:
    """Types as numbers or texts, numbers as texts and the reverse, fillers, short forms."""
    payload = f'{{"did":"1","timestamp":1690000000000,"name":"speed",{fields}}}'
    result = decoded("tcu", payload.encode())
    assert values(result) == {"speed": expected}
    assert str(result.signals[0].value) == str(expected)


def test_several_values_and_no_type_are_no_value() -> None:
    """Nothing tells which of two is meant."""
    payload = b'{"did":"1","timestamp":1690000000000,"name":"speed","float_value":5,"int_value":7}'
    result = REGISTRY.decoder("telemetry_raw").decode_one(payload)
    assert isinstance(result, Rejected)
    assert result.reason is Reason.BAD_TYPE


def test_an_event_time_wins_over_a_timestamp_and_is_not_replaced_by_it() -> None:
    """A broken eventTime is not repaired from another field."""
    good = b'{"did":"1","timestamp":1690000000000,"eventTime":"%s","name":"soc","float_value":5}'
    assert decoded("tcu", good % b"2025-10-27T10:07:15.000Z").event_time == 1_761_559_635_000_000
    assert decoded("tcu", good % b"").event_time == 1_690_000_000_000_000
    broken = REGISTRY.decoder("telemetry_raw").decode_one(good % b"2025-13-27T10:07:15.000Z")
    assert isinstance(broken, Rejected)
    assert broken.reason is Reason.BAD_TIME


def test_a_car_snapshot() -> None:
    """S1, the documented message."""
    result = decoded(
        "car",
        b'{"car_id":"CAR_001","timestamp":"2026-02-25T21:28:17.376062+00:00","speed":59.83,"rpm":2947,'
        b'"engine_temp":95.79,"fuel_level":33.73,"latitude":52.486,"longitude":13.484548}',
    )
    assert iso_text(result.event_time) == "2026-02-25T21:28:17.376062Z"
    assert values(result) == {
        "speed": 59.83,
        "engine_rpm": 2947.0,
        "coolant_temperature": 95.79,
        "fuel_level": 33.73,
        "latitude": 52.486,
        "longitude": 13.484548,
    }


def test_a_car_event_with_a_bad_value_keeps_what_was_refused() -> None:
    """on_bad_value: event. The dead letter's row still names the signal."""
    result = REGISTRY.decoder("car.telemetry.v1").decode_one(
        b'{"car_id":"CAR_001","timestamp":"2026-02-25T21:28:17Z","speed":300,"rpm":2947,'
        b'"engine_temp":95.79,"fuel_level":33.73,"latitude":52.486,"longitude":13.484548}'
    )
    assert isinstance(result, Rejected)
    assert result.vehicle_id == "CAR_001"
    assert [(one.signal, one.reason, one.raw) for one in result.rejected_signals] == [
        ("speed", Reason.OUT_OF_RANGE, "300")
    ]


def test_a_vehicle_and_its_environment() -> None:
    """S2, the documented message."""
    result = decoded(
        "environment",
        b'{"vehicle_id":"VH001","timestamp":"2025-07-06T12:00:00Z","latitude":37.7749,'
        b'"longitude":-122.4194,"speed":65,"temperature":28.5,"humidity":60}',
    )
    assert result.vehicle_id == "VH001"
    assert values(result)["humidity"] == 60.0


def test_a_pressure_reading_names_its_sensor() -> None:
    """S3, the documented message: a space in the time, sensor and vehicle apart."""
    result = decoded(
        "pressure",
        b'{"timestamp":"2025-07-22 22:30:45.123Z","pressure":850000,"temperature":25.5,'
        b'"sensorId":"honda23100","vehicleId":"HONDA 231"}',
    )
    assert result.vehicle_id == "HONDA 231"
    assert {one.sensor for one in result.signals} == {"honda23100"}
    assert iso_text(result.event_time) == "2025-07-22T22:30:45.123Z"
    assert values(result) == {"pressure": 850_000.0, "temperature": 25.5}


def test_a_sensor_reading_has_its_place_in_an_object() -> None:
    """S4, the documented message, and a field that nobody named."""
    result = decoded(
        "sensor",
        b'{"sensor_id":"sensor_1","timestamp":"2026-01-21T10:00:00Z","temperature":25.4,"humidity":60.2,'
        b'"location":{"latitude":12.97,"longitude":77.59,"floor":3}}',
    )
    assert result.vehicle_id == "sensor_1"
    assert values(result) == {
        "temperature": 25.4,
        "humidity": 60.2,
        "latitude": 12.97,
        "longitude": 77.59,
        "location%2efloor": 3.0,
    }


TESLA = b'{"data":[%s],"createdAt":"2024-12-06T20:30:36.378404662Z","vin":"LRW","isResend":false}'


def tesla(*items: str, **rest: object) -> Decoded:
    return decoded("tesla", TESLA % ",".join(items).encode(), **rest)


def test_a_tesla_message() -> None:
    """The documented message: miles become kilometres, nanoseconds are cut, a place becomes two signals."""
    result = tesla(
        '{"key":"VehicleSpeed","value":{"doubleValue":48.3}}',
        '{"key":"Odometer","value":{"stringValue":"100"}}',
        '{"key":"Location","value":{"locationValue":{"latitude":37.41,"longitude":-122.14}}}',
    )
    assert iso_text(result.event_time) == "2024-12-06T20:30:36.378404Z"
    assert values(result) == {
        "speed": 48.3 * 1.609344,
        "odometer": 160.9344,
        "latitude": 37.41,
        "longitude": -122.14,
    }


@pytest.mark.parametrize("written", ["P", "ShiftStateP"])
def test_a_gear_is_one_letter_however_it_is_written(written: str) -> None:
    """Enum names of older and newer firmware."""
    assert values(tesla(f'{{"key":"Gear","value":{{"shiftStateValue":"{written}"}}}}')) == {"gear": "P"}


@pytest.mark.parametrize(
    ("written", "state"),
    [
        ("DetailedChargeStateCharging", "charging"),
        ("Charging", "charging"),
        ("DetailedChargeStateNoPower", "no_power"),
        ("DetailedChargeStateDisconnected", "disconnected"),
        ("DetailedChargeStateComplete", "complete"),
        ("DetailedChargeStateStarting", "starting"),
        ("DetailedChargeStateStopped", "stopped"),
    ],
)
def test_a_charge_state_is_a_plain_word(written: str, state: str) -> None:
    """With and without the prefix."""
    result = tesla(f'{{"key":"DetailedChargeState","value":{{"detailedChargeStateValue":"{written}"}}}}')
    assert values(result) == {"charge_state": state}


def test_charging_by_ac_and_by_dc_are_different_signals() -> None:
    """They are one session's energy; whoever adds them up must do so knowingly."""
    names = ["ACChargingPower", "DCChargingPower", "ACChargingEnergyIn", "DCChargingEnergyIn"]
    result = tesla(*(f'{{"key":"{name}","value":{{"doubleValue":{n}}}}}' for n, name in enumerate(names)))
    assert values(result) == {
        "ac_charge_power": 0.0,
        "dc_charge_power": 1.0,
        "ac_charge_energy": 2.0,
        "dc_charge_energy": 3.0,
    }


def test_a_car_that_wakes_up_ahead_of_time_is_clamped_to_its_receipt() -> None:
    """The header `receivedat` is the server's clock; without it there is no clamp."""
    item = '{"key":"Soc","value":{"doubleValue":50}}'
    event = 1_733_517_036_378_404
    received = event // 1000 - 200_000
    clamped = tesla(item, headers=[("txid", b"1"), ("receivedat", str(received).encode())])
    assert clamped.signals[0].effective_time == received * 1000
    assert clamped.signals[0].event_time == clamped.event_time == event
    late = tesla(item, headers=[("receivedat", str(received + 400_000).encode())])
    assert late.signals[0].effective_time == event
    assert tesla(item).signals[0].effective_time == event


def test_a_vss_signal_is_known_by_its_path() -> None:
    """Paths of the catalog, paths with another unit, and paths nobody knows."""
    message = b'{"path":"%s","value":%s,"ts":"2026-01-21T10:00:00Z","vin":"W"}'
    assert values(decoded("vss", message % (b"Vehicle.Speed", b"12.5"))) == {"speed": 12.5}
    power = b"Vehicle.Powertrain.TractionBattery.CurrentPower"
    assert values(decoded("vss", message % (power, b"-1500"))) == {"battery_power": -1.5}
    assert values(decoded("vss", message % (b"Vehicle.Cabin.Lights", b"true"))) == {
        "Vehicle%2ECabin%2ELights": 1.0
    }


def test_every_vss_path_of_the_catalog_is_understood() -> None:
    """The contract takes them from the catalog, none is forgotten."""
    for path, spec in REGISTRY.catalog.by_vss_path().items():
        assert REGISTRY.contracts["vss"].fields[path].signal == spec.name


@pytest.mark.parametrize(
    ("drive", "rows", "bad_times", "refused"),
    [
        ("T1_03_29_2021", 6_189, 10, 0),
        ("T2_03_30_2021", 6_868, 56, 0),
        ("T3_05_31_2021", 1_122, 0, 0),
        ("T3_06_07_2021", 1_703, 0, 3),
    ],
)
def test_recorded_drives_lose_only_what_their_clock_glitched(
    drive: str, rows: int, bad_times: int, refused: int
) -> None:
    """Months 90 and 30 are no time; three longitudes of about 1555 are refused, their rows are not."""
    decoder = REGISTRY.decoder("twizy.telemetry.v1")
    with gzip.open(str(DATA / "twizy" / f"{drive}.csv.gz"), "rt", newline="") as lines:
        messages = [json.dumps(row).encode() for row in csv.DictReader(lines)]
    results = [decoder.decode_one(message, key=drive.encode()) for message in messages]
    assert len(results) == rows
    reasons = Counter(result.reason for result in results if isinstance(result, Rejected))
    assert reasons == ({Reason.BAD_TIME: bad_times} if bad_times else {})
    signals = [(one.signal, one.reason) for result in results for one in result.rejected_signals]
    assert signals == [("longitude", Reason.OUT_OF_RANGE)] * refused


def test_recorded_times_are_moroccan() -> None:
    """One hour ahead of UTC, but for Ramadan, when clocks are set back."""
    message = b'{"Date":"%s","Time":"11:13:45","Soc":"87.54"}'
    summer = decoded("twizy", message % b"03/29/2021", key=b"T1")
    assert iso_text(summer.event_time) == "2021-03-29T10:13:45.000Z"
    ramadan = decoded("twizy", message % b"04/20/2021", key=b"T1")
    assert iso_text(ramadan.event_time) == "2021-04-20T11:13:45.000Z"


def test_an_empty_cell_of_a_recording_is_no_value() -> None:
    """Empty texts are absent where numbers are meant, and texts where texts are."""
    message = b'{"Date":"6/7/2021","Time":"11:13:45","Soc":"","Speed":"1","Weather":""}'
    assert values(decoded("twizy", message, key=b"T1")) == {"speed": 1.0, "weather": ""}


@pytest.mark.parametrize("case", [1, 2])
def test_the_use_cases_give_their_documents(case: int) -> None:
    """The newest by event time wins, whatever the order of arrival: speed 25 although 65 came later."""
    lines = (DATA / "tcu" / f"use_case_{case}.jsonl").read_bytes().splitlines()
    expected = json.loads((DATA / "tcu" / f"use_case_{case}.expected.json").read_text())
    state: dict[str, SignalState] = {}
    for line in lines:
        for one in decoded("tcu", line).signals:
            newest = state.get(one.signal)
            if newest is None or newest.effective_time_us <= one.effective_time:
                state[one.signal] = SignalState(one.effective_time, one.value or 0.0)
    document = render_state(REGISTRY.contracts["tcu"], "981", state, 1_761_559_638_363_000)
    assert {key: document[key] for key in expected} == expected
    assert json.dumps(document["soc"]) == "100"
    assert document["ingestion_time"] == "2025-10-27T10:07:18.363Z"
    assert list(document) == ["did", "eventTime", "odo", "soc", "speed", "ignition", "ingestion_time"]
