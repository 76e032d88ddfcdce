"""Files as messages: what is read is what stands in the file."""

import gzip
import json
from pathlib import Path

import pytest

from simulate.errors import RecordingError
from simulate.recordings import Format, Recording

PROSE = b"""Kafka Input:
message 1
{
  "a": 101.50, "b": "} not the end {",
  "c": {"d": "\\"{"}
},
message 2 isn't "quoted
{"a":2}

Database OUTPUT
[{"a": 3}, {"a": 4}]
"""


def written(path: Path, content: bytes) -> Path:
    """The file, packed when its name says so."""
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["case.txt", "case.txt.gz", "case"])
def test_objects_between_prose_keep_their_bytes(tmp_path: Path, name: str) -> None:
    """Whitespace, number spelling and braces in strings are kept; reading stops at the outputs."""
    recording = Recording(written(tmp_path / name, PROSE))
    first, second = list(recording)
    assert first == PROSE[PROSE.index(b"{") : PROSE.index(b",\nmessage 2")]
    assert second == b'{"a":2}'
    assert recording.left_out == 2


def test_all_objects_go_on_behind_the_outputs(tmp_path: Path) -> None:
    """With all_objects nothing is left out."""
    recording = Recording(written(tmp_path / "case.txt", PROSE), all_objects=True)
    assert len(list(recording)) == 4
    assert recording.left_out == 0


def test_broken_lines_are_messages_too(tmp_path: Path) -> None:
    """In a JSON-lines file every line but a blank one is a message, byte for byte."""
    content = b'{"a":1}\r\n\n{"a":\n\xff\xfe\n  {"a": 2}  \n[1]'
    recording = Recording(written(tmp_path / "drive.jsonl", content))
    assert list(recording) == [b'{"a":1}', b'{"a":', b"\xff\xfe", b'  {"a": 2}  ', b"[1]"]


def test_an_array_of_objects_is_their_messages(tmp_path: Path) -> None:
    """A JSON array in one line or many is read object by object."""
    assert list(Recording(written(tmp_path / "a.json", b'[{"a":1},{"a":2}]'))) == [b'{"a":1}', b'{"a":2}']


@pytest.mark.parametrize("name", ["drive.csv", "drive.csv.gz", "DRIVE.CSV"])
def test_rows_become_objects_of_strings(tmp_path: Path, name: str) -> None:
    """Header names and unchanged strings, also quoted ones; too short and too long rows lose nothing."""
    content = '\ufeffSoc,Note\n87.540000,"a, ""b"""\n1\n\n2,x,extra\n'.encode()
    recording = Recording(written(tmp_path / name, content))
    assert [json.loads(row) for row in recording] == [
        {"Soc": "87.540000", "Note": 'a, "b"'},
        {"Soc": "1"},
        {"Soc": "2", "Note": "x", "column_3": "extra"},
    ]
    assert recording.stem.lower() == "drive"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("empty.jsonl", b"", "is empty"),
        ("blank.csv", b"\n  \n", "is empty"),
        ("header.csv", b"a,b\n", "holds no message"),
        ("prose.txt", b"nothing here\n", "holds no message"),
        ("open.txt", b'text\n{"a": 1', "never ends"),
        ("twice.csv", b"a,a\n1,2\n", "twice"),
        ("quote.csv", b'a,b\n"1,2\n', "unexpected end"),
        ("latin.csv", b"a\n\xe9\n", "not UTF-8"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"),
    ],
)
def test_what_is_no_recording_is_refused_with_its_name(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    """One sentence that names the file and what is wrong with it."""
    path = written(tmp_path / name, content)
    with pytest.raises(RecordingError, match=problem) as caught:
        list(Recording(path))
    assert str(path) in str(caught.value)


def test_missing_folder_and_cut_off_files_are_refused(tmp_path: Path) -> None:
    """What the file system or gzip complains about is one sentence too."""
    with pytest.raises(RecordingError, match="no such file"):
        Recording(tmp_path / "missing.jsonl")
    with pytest.raises(RecordingError, match="directory"):
        Recording(tmp_path)
    whole = gzip.compress(b'{"a":1}\n' * 10_000)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingError, match="cut off"):
        list(Recording(tmp_path / "cut.jsonl.gz"))


def test_the_format_can_be_told(tmp_path: Path) -> None:
    """What the guess would get wrong is read as told."""
    path = written(tmp_path / "drive.txt", b'{"a":\n{"a":1}\n')
    assert list(Recording(path, Format.LINES)) == [b'{"a":', b'{"a":1}']
