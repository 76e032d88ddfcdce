"""Replayed files: the same bytes, the right keys, the pace of the recording."""

import json
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pytest

from contracts.load import load_registry
from simulate.errors import NothingValid, RecordingError, UnknownSource
from simulate.outlets import FileOutlet, NoOutlet
from simulate.pacing import Clock
from simulate.parcel import Parcel
from simulate.plan import Request, Shares
from simulate.recordings import Recording
from simulate.replay_run import ReplayRun
from simulate.run import Simulation

REGISTRY = load_registry()
DATA = Path(str(files("simulate"))) / "data"
ROWS = {"T1_03_29_2021": 6189, "T2_03_30_2021": 6868, "T3_05_31_2021": 1122, "T3_06_07_2021": 1703}
NO_TIME = {"T1_03_29_2021": 10, "T2_03_30_2021": 56, "T3_05_31_2021": 0, "T3_06_07_2021": 0}


def a_replay(paths: Sequence[Path], source: str, **options: object) -> ReplayRun:
    settings: dict[str, object] = {"speed": None, **options}
    return ReplayRun([Recording(path) for path in paths], source, REGISTRY, **settings)  # type: ignore[arg-type]


def played(replay: ReplayRun) -> list[Parcel]:
    """All parcels, acknowledged."""
    parcels = list(replay.parcels())
    for parcel in parcels:
        parcel.receipt(None)
    return parcels


@pytest.mark.parametrize(("case", "messages"), [(1, 4), (2, 8)])
def test_use_cases_in_prose_are_sent_byte_for_byte(tmp_path: Path, case: int, messages: int) -> None:
    """Inputs between headings, printed wide, then the outputs, which stay behind."""
    objects = [
        line.replace(",", ",\n  ").replace("{", "{\n  ").replace(":", " :  ")
        for line in (DATA / "tcu" / f"use_case_{case}.jsonl").read_text().splitlines()
    ]
    prose = "".join(f"message/payload:{number}\n{text},\n" for number, text in enumerate(objects))
    expected = (DATA / "tcu" / f"use_case_{case}.expected.json").read_text()
    path = tmp_path / "case.txt"
    path.write_text(f"Kafka Input:\n====\n{prose}\nMongo DB Output\n====\n[{expected}]\n")
    replay = a_replay([path], "tcu")
    parcels = played(replay)
    assert [parcel.payload for parcel in parcels] == [text.encode() for text in objects]
    assert {(parcel.topic, parcel.key) for parcel in parcels} == {("telemetry_raw", b"981")}
    report = replay.report()
    assert (report["acknowledged"], report["left_out"]) == (messages, 1)
    assert report["bytes"] == sum(len(text) for text in objects)


@pytest.mark.parametrize(("case", "messages"), [(1, 4), (2, 8)])
def test_shipped_use_cases_are_complete(case: int, messages: int) -> None:
    """As many messages as the use case has, all valid, of one vehicle, spelled as they were."""
    path = DATA / "tcu" / f"use_case_{case}.jsonl"
    replay = a_replay([path], "tcu")
    parcels = played(replay)
    assert [parcel.payload for parcel in parcels] == path.read_bytes().splitlines()
    assert b'"float_value":101.50,' in (parcels[0].payload or b"")
    assert replay.report()["keys"] == {"981": messages}
    assert replay.report()["valid"] == messages


def test_shipped_drives_are_complete() -> None:
    """Every row of the four drives, as strings, keyed by the file's name; some have no time."""
    replay = a_replay(sorted((DATA / "twizy").glob("*.csv.gz")), "twizy")
    parcels = played(replay)
    report = replay.report()
    assert report["keys"] == ROWS
    assert Counter((parcel.key or b"").decode() for parcel in parcels) == ROWS
    bad_times = {one["file"]: one["invalid_by_reason"].get("bad_time", 0) for one in report["files"]}
    assert {Path(file).name.partition(".")[0]: count for file, count in bad_times.items()} == NO_TIME
    first = json.loads(parcels[0].payload or b"")
    assert (first["Soc"], first["Date"]) == ("87.540000", "03/29/2021")


def test_the_drives_come_with_licence_and_credit() -> None:
    """CC-BY-4.0 asks for both."""
    assert "Attribution 4.0 International" in (DATA / "twizy" / "LICENSE").read_text()
    assert "RSK Twizy" in (DATA / "twizy" / "README.md").read_text()


def lines(tmp_path: Path, *messages: bytes) -> Path:
    path = tmp_path / "drive.jsonl"
    path.write_bytes(b"\n".join(messages) + b"\n")
    return path


def reading(second: int, vehicle: str = "V1") -> bytes:
    stamp = f"2026-01-21T10:{second // 60:02d}:{second % 60:02d}Z"
    return json.dumps({"vehicle_id": vehicle, "timestamp": stamp, "speed": 5}).encode()


def test_messages_are_keyed_as_the_contract_says(tmp_path: Path) -> None:
    """By vehicle, by sensor where the contract wants it, not at all where the message names nobody; the user
    may say otherwise."""
    path = lines(tmp_path, reading(0), b"broken", reading(1, "V2"))
    assert [parcel.key for parcel in played(a_replay([path], "environment"))] == [b"V1", None, b"V2"]
    own = a_replay([path], "environment", vehicle="X")
    assert {parcel.key for parcel in played(own)} == {b"X"}
    sensor = b'{"timestamp":"2025-07-22 22:30:45.123Z","pressure":1,"sensorId":"s7","vehicleId":"V"}'
    assert [parcel.key for parcel in played(a_replay([lines(tmp_path, sensor)], "pressure"))] == [b"s7"]


def test_broken_lines_are_sent_and_counted(tmp_path: Path) -> None:
    """They are messages too."""
    replay = a_replay([lines(tmp_path, reading(0), b'{"vehicle_id":', b"\xff")], "environment")
    assert [parcel.payload for parcel in played(replay)][1:] == [b'{"vehicle_id":', b"\xff"]
    assert replay.report()["invalid_by_reason"] == {"malformed_json": 2}


def test_gaps_play_as_they_were_and_broken_clocks_do_not_stop_them(tmp_path: Path) -> None:
    """Seconds between events are seconds of play; a step back is none, a leap is cut, no time is no step."""
    leap = reading(0).replace(b"2026", b"2031")
    path = lines(tmp_path, reading(0), reading(3), b"broken", reading(1), leap, reading(59), reading(60))
    due = [parcel.due for parcel in played(a_replay([path], "environment", speed=1.0, longest_gap_s=5.0))]
    assert due == [0.0, 3.0, 3.0, 3.0, 8.0, 8.0, 9.0]
    due = [parcel.due for parcel in played(a_replay([path], "environment", speed=60.0, longest_gap_s=5.0))]
    assert due[4] == 3.0 + 300.0


def test_a_replay_at_speed_60_takes_a_sixtieth(tmp_path: Path) -> None:
    """Two minutes of driving take two seconds of the clock."""
    now = [0.0]

    def pause(seconds: float) -> None:
        now[0] += seconds

    replay = a_replay([lines(tmp_path, *map(reading, range(0, 121, 5)))], "environment", speed=60.0)
    replay.run(NoOutlet(), Clock(lambda: now[0], pause, lambda: False), lambda progress: None)
    assert now[0] == pytest.approx(2.0, abs=0.05)
    assert replay.report()["acknowledged"] == 25


def test_several_files_play_side_by_side(tmp_path: Path) -> None:
    """Each from its own beginning, whatever day it was."""
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_bytes(b"\n".join([reading(0, "A"), reading(2, "A"), reading(4, "A")]))
    second.write_bytes(b"\n".join([reading(3001, "B"), reading(3002, "B")]))
    keys = [parcel.key for parcel in played(a_replay([first, second], "environment", speed=1.0))]
    assert keys == [b"A", b"B", b"B", b"A", b"A"]


def test_a_limit_holds_for_all_files(tmp_path: Path) -> None:
    """No message more."""
    path = lines(tmp_path, *map(reading, range(10)))
    assert len(played(a_replay([path, path], "environment", limit=3))) == 3


@pytest.mark.parametrize("source", ["tesla", "twizy", "pressure"])
def test_a_simulation_written_to_a_file_is_replayed_as_it_was(tmp_path: Path, source: str) -> None:
    """Keys, headers and broken bytes included; messages of other sources stay behind."""
    odd = Shares(anomalies=0.1, invalid=0.4, bad_signals=0.1, late=0.1, duplicates=0.1, out_of_order=0.1)
    request = Request(
        sources=(source, "tcu"), rate=0.0, count=1000, present_us=1_785_000_000_000_000, shares=odd
    )
    wanted = [
        (parcel.topic, parcel.key, parcel.payload, list(parcel.headers))
        for parcel in Simulation(request, REGISTRY).parcels()
        if parcel.topic != "telemetry_raw"
    ]
    clock = Clock(lambda: 0.0, lambda seconds: None, lambda: False)
    Simulation(request, REGISTRY).run(FileOutlet(tmp_path / "run.jsonl.gz"), clock, lambda progress: None)
    replay = a_replay([tmp_path / "run.jsonl.gz"], source)
    parcels = played(replay)
    assert [(one.topic, one.key, one.payload, list(one.headers)) for one in parcels] == wanted
    assert replay.report()["other_topics"] == 500


def test_a_wrong_source_is_named(tmp_path: Path) -> None:
    """With the sources there are."""
    with pytest.raises(UnknownSource, match=r"'cars'.*environment"):
        a_replay([lines(tmp_path, reading(0))], "cars")


def test_one_valid_message_makes_a_file_one_of_its_source(tmp_path: Path) -> None:
    """Looking at the beginning takes nothing away from what is sent."""
    path = lines(tmp_path, *[b"broken"] * 700, reading(0), *[b"broken"] * 700)
    replay = a_replay([path], "environment")
    replay.check()
    assert [parcel.payload for parcel in played(replay)] == path.read_bytes().splitlines()
    assert replay.report()["invalid_by_reason"] == {"malformed_json": 1400}


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([b"broken"] * 2 + [b"{}"], r"none of its messages is valid .*\(malformed_json: 2 of 3\)"),
        ([b"broken"] * 1000 + [reading(0)], r"its first 1,000 messages .*\(malformed_json: 1,000 of 1,000\)"),
    ],
    ids=["all", "the first thousand"],
)
def test_a_file_without_a_valid_message_is_refused_by_the_check(
    tmp_path: Path, messages: list[bytes], told: str
) -> None:
    """Also beside a good one; whoever does not check may send it."""
    good = tmp_path / "good.jsonl"
    good.write_bytes(reading(0))
    bad = lines(tmp_path, *messages)
    with pytest.raises(NothingValid, match=told):
        a_replay([good, bad], "environment").check()
    assert len(played(a_replay([bad], "environment"))) == len(messages)


def test_a_file_of_other_topics_is_refused_by_the_check(tmp_path: Path) -> None:
    """Nothing of it would be sent."""
    clock = Clock(lambda: 0.0, lambda seconds: None, lambda: False)
    request = Request(sources=("tcu",), rate=0.0, count=5, present_us=1_785_000_000_000_000)
    Simulation(request, REGISTRY).run(FileOutlet(tmp_path / "run.jsonl"), clock, lambda progress: None)
    with pytest.raises(NothingValid, match="of other topics: 5 of 5"):
        a_replay([tmp_path / "run.jsonl"], "car").check()


def test_a_file_without_messages_is_an_error_when_its_turn_comes(tmp_path: Path) -> None:
    """Not silence."""
    path = tmp_path / "header.csv"
    path.write_text("Date,Time\n")
    with pytest.raises(RecordingError, match="no message"):
        played(a_replay([path], "twizy"))
