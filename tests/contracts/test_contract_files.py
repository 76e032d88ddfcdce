"""A wrong contract file is refused with line, key, and what to do; a right one is all that a fleet needs."""

from itertools import pairwise
from pathlib import Path

import pytest

from contracts.errors import ContractError
from contracts.load import load_catalog, load_contract, load_registry
from contracts.result import Decoded
from contracts.yaml_file import read_document

CATALOG = load_catalog()

FLEET = """\
name: trucks
description: A fleet of our own
shape: wide
topics:
  trucks.v1: {partitions: 3, retention: 12h}
vehicle: {field: truck}
event_time: {field: at, format: epoch_s}
signals:
  v: {signal: speed, unit: m/s}
  gps.lat: latitude
  gps.lon: longitude
  engine\\.rpm: engine_rpm
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A contract file that is right."""
    path = tmp_path / "trucks.yml"
    path.write_text(FLEET)
    return path


def test_a_fleet_is_added_by_one_file(file: Path) -> None:
    """No code, no other file: its topic is known, its messages decode."""
    registry = load_registry([file.parent])
    assert "trucks.v1" in registry.topics()
    result = registry.decoder("trucks.v1").decode_one(
        b'{"truck":7,"at":1753223445,"v":10,"gps":{"lat":1,"lon":2},"engine.rpm":900}'
    )
    assert isinstance(result, Decoded)
    assert result.vehicle_id == "7"
    assert {one.signal: one.value for one in result.signals} == {
        "speed": 36.0,
        "latitude": 1.0,
        "longitude": 2.0,
        "engine_rpm": 900.0,
    }
    settings = registry.contracts["trucks"].topic_settings
    assert settings["trucks.v1"].retention_ms == 12 * 3_600_000
    assert settings["trucks.v1"].config == {"message.timestamp.type": "LogAppendTime"}
    assert set(settings) == {"trucks.v1", "trucks.v1.dlq", "trucks.anomaly.v1"}


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "problem"),
    [
        ("shape: wide", "shap: wide", 3, "shap", "did you mean `shape`"),
        ("shape: wide", "shape: tall", 3, "shape", "'long', 'wide' or 'list'"),
        ("name: trucks", "name: Trucks!", 1, "name", "pattern"),
        ("vehicle: {field: truck}\n", "", 1, "vehicle", "missing"),
        ("{field: truck}", "{field: truck, key: true}", 6, "vehicle", "exactly one of field, key"),
        ("{field: truck}", "{field: ''}", 6, "vehicle.field", "no field path"),
        ("format: epoch_s", "format: epoch", 7, "event_time.0.format.0", "epoch_ms"),
        ("format: epoch_s", "zone: Mars/Base", 7, "event_time.0.zone", "no time zone"),
        ("format: epoch_s", "like: soon", 7, "event_time.0.like", "pattern"),
        ("retention: 12h", "retention: long", 5, "topics.trucks.v1.retention", "7d, 12h or forever"),
        ("partitions: 3", "partitions: 0", 5, "topics.trucks.v1.partitions", "greater than or equal to 1"),
        ("trucks.v1:", "trucks v1:", 5, "topics.trucks v1", "pattern"),
        ("{signal: speed, unit: m/s}", "{signal: sped}", 9, "signals.v", "not in the catalog"),
        ("unit: m/s", "unit: psi", 9, "signals.v.unit", "use one of km/h, mph, m/s"),
        ("unit: m/s", "maximum: 501", 9, "signals.v.maximum", "wider than the catalog's 500"),
        ("unit: m/s", "minimum: -1", 9, "signals.v.minimum", "wider than the catalog's 0"),
        ("unit: m/s", "minimum: 9, maximum: 3", 9, "signals.v.minimum", "above maximum"),
        ("unit: m/s", "values: {fast: quick}", 9, "signals.v.values", "text signals"),
        ("unit: m/s", "parts: {a: soc}", 9, "signals.v", "exactly one of signal, parts"),
        ("v: {signal: speed, unit: m/s}", "gps: speed", 8, "signals", "a value and an object"),
        ("v: {signal: speed, unit: m/s}", "truck: speed", 9, "signals.truck", "2 meanings"),
        ("v: {signal: speed, unit: m/s}", "'v\"': speed", 9, 'signals.v"', "no field path"),
        ("signals:", "required: [w]\nsignals:", 8, "required.0", "not among signals"),
        ("signals:", "thresholds: {weather: []}\nsignals:", 8, "thresholds.weather", "no number"),
        (
            "signals:",
            "thresholds: {soc: [{kind: low, op: <, limit: 5}, {kind: low, op: <, limit: 9}]}\nsignals:",
            8,
            "thresholds.soc",
            "2 thresholds of soc are called low",
        ),
        ("signals:", "message_key: sensor\nsignals:", 8, "message_key", "has no sensor"),
        ("signals:", "long: {name: n, value: v}\nsignals:", 8, "long", "but the shape is wide"),
        ("shape: wide", "shape: list", 3, "shape", "needs a section `list:`"),
        ("signals:", "document: {a: {signal: x}}\nsignals:", 8, "document.a", "not in the catalog"),
        ("signals:", "  signals:", 8, "", "not valid YAML"),
        ("  gps.lat", "  gps.lon: latitude\n  gps.lat", 12, "", "duplicate key"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_key(
    file: Path, old: str, new: str, line: int, key: str, problem: str
) -> None:
    """One mistake each."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ContractError) as caught:
        load_contract(file, CATALOG)
    error = caught.value
    assert (error.file, error.line, error.key) == (file, line, key), str(error)
    assert problem in str(error)
    assert str(error).startswith(f"{file}:{line}: ")


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    """In the order of their lines."""
    text = file.read_text().replace("shape: wide", "shape: tall").replace("partitions: 3", "partitions: no")
    file.write_text(text + "colour: red\n")
    with pytest.raises(ContractError) as caught:
        load_contract(file, CATALOG)
    assert [error.line for error in (caught.value, *caught.value.also)] == [3, 5, 13]


@pytest.mark.parametrize(
    "content", [b"", b"- a\n", b"just text", b"\xff\xfe", b"a: [", b"!!python/object:os.x {}"]
)
def test_a_file_that_is_no_contract_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, a list, a text, not UTF-8, not YAML, a foreign tag."""
    path = tmp_path / "odd.yml"
    path.write_bytes(content)
    with pytest.raises(ContractError):
        load_contract(path, CATALOG)


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefghij")
)
"""Half a kilobyte, and ten billion values."""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LAUGHS, "more than 100000 values by aliases"),
        ("name: " + "[" * 500 + "]" * 500, "nested too deeply"),
        ("name: " + "9" * 5_000, "a number or a date that is none"),
        ("name: 2026-99-99", "a number or a date that is none"),
    ],
)
def test_a_file_that_would_be_too_much_is_refused(tmp_path: Path, content: str, said: str) -> None:
    """However small it is, by its name and without a traceback."""
    path = tmp_path / "odd.yml"
    path.write_text(content)
    with pytest.raises(ContractError, match=said):
        load_contract(path, CATALOG)


def test_aliases_that_are_few_are_what_they_stand_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a file without any may have as many values as it has."""
    monkeypatch.setattr("contracts.yaml_file.MOST_REPEATED", 10)
    path = tmp_path / "many.yml"
    path.write_text("a: &a [1, 2]\nb: [*a, *a]\nc: [" + "1, " * 50 + "1]\n")
    data = read_document(path).data
    assert (data["b"], len(data["c"])) == ([[1, 2], [1, 2]], 51)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """By its path."""
    with pytest.raises(ContractError, match=r"absent\.yml: cannot be read"):
        load_registry([tmp_path / "absent.yml"])


def test_a_folder_without_a_contract_is_named(tmp_path: Path) -> None:
    """It is hardly the one that was meant."""
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ContractError, match="the folder holds no contract"):
        load_registry([tmp_path])


def test_a_topic_has_one_owner(file: Path) -> None:
    """Another source's topic is refused, output topics included."""
    file.write_text(FLEET.replace("trucks.v1:", "car.telemetry.dlq.v1:"))
    with pytest.raises(ContractError, match="belongs to source car") as caught:
        load_registry([file])
    assert caught.value.line == 5


def test_a_former_topic_is_its_sources_and_is_not_read(file: Path) -> None:
    """Its messages decode as before, by the same hash."""
    before = load_registry([file]).contracts["trucks"]
    file.write_text(FLEET.replace("trucks.v1:", "trucks.v2:") + "former_topics: [trucks.v1]\n")
    registry = load_registry([file])
    assert registry.for_topic("trucks.v1") is registry.contracts["trucks"]
    assert "trucks.v1" not in registry.topics()
    assert registry.contracts["trucks"].hash == before.hash


@pytest.mark.parametrize(
    ("topics", "problem"),
    [
        ("[car.telemetry.v1]", "topic car.telemetry.v1 belongs to source car"),
        ("[old, trucks.v1]", "trucks.v1 is a topic of now"),
    ],
)
def test_a_former_topic_has_one_owner(file: Path, topics: str, problem: str) -> None:
    """And is not one of now."""
    file.write_text(f"{FLEET}former_topics: {topics}\n")
    with pytest.raises(ContractError, match=problem) as caught:
        load_registry([file])
    assert caught.value.line == len(FLEET.splitlines()) + 1


def test_a_name_has_one_file(file: Path) -> None:
    """Of two files given, the second is refused; a built-in source may be replaced."""
    twin = file.with_name("zz.yml")
    twin.write_text(FLEET)
    with pytest.raises(ContractError, match="the name trucks is taken"):
        load_registry([file.parent])
    twin.unlink()
    file.write_text(FLEET.replace("name: trucks", "name: sensor"))
    registry = load_registry([file])
    assert registry.contracts["sensor"].topics == ("trucks.v1",)
    assert registry.for_topic("sensor.telemetry.v1") is None


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("A fleet of our own", "Another word", True),
        ("partitions: 3", "partitions: 5", True),
        ("signals:", "# a comment\nsignals:", True),
        ("unit: m/s", "unit: mph", False),
        ("latitude\n", "altitude\n", False),
        ("vehicle: {field: truck}", "vehicle: {field: lorry}", False),
        ("epoch_s", "epoch_ms", False),
        ("signals:", "on_bad_value: event\nsignals:", False),
        ("signals:", "required: [v]\nsignals:", False),
    ],
)
def test_the_hash_tells_what_messages_become_and_nothing_else(
    file: Path, old: str, new: str, same: bool
) -> None:
    """Words and topic settings do not count, meaning does."""
    before = load_contract(file, CATALOG).hash
    file.write_text(FLEET.replace(old, new, 1))
    assert (load_contract(file, CATALOG).hash == before) is same
    assert len(before) == 16


def test_the_built_in_sources() -> None:
    """Their topics are those that the systems use that they come from."""
    contracts = load_registry().contracts
    topics = {name: contract.topics for name, contract in contracts.items()}
    assert topics == {
        "car": ("car.telemetry.v1",),
        "environment": ("vehicle.environment",),
        "pressure": ("sensor_pressure_stream",),
        "sensor": ("sensor.telemetry.v1",),
        "tcu": ("telemetry_raw",),
        "tesla": ("tesla.telemetry.v1",),
        "twizy": ("twizy.telemetry.v1",),
        "vss": ("vss.telemetry.v1",),
    }
    car, pressure = contracts["car"], contracts["pressure"]
    assert car.dead_letter_topic == "car.telemetry.dlq.v1"
    assert car.anomaly_topic == "car.telemetry.anomaly.v1"
    assert car.metrics_topic == "car.telemetry.metrics.v1"
    assert pressure.dead_letter_topic == "sensor_pressure_stream.dlq"
    assert pressure.maximum is not None
    assert pressure.topic_settings["vehicle_pressure_max"].cleanup == "compact"
    partitions = {topic: one.partitions for topic, one in pressure.topic_settings.items()}
    assert partitions["sensor_pressure_stream"] == 6
    assert partitions["vehicle_pressure_max"] == partitions[pressure.maximum.rekey_topic] == 4
