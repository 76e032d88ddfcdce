"""Recorded files as messages: JSON lines, JSON objects between prose, CSV; each also gzipped. Lines and
objects are handed on byte for byte, broken ones included; a file that is no recording is refused with one
sentence."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from simulate.errors import RecordingError

SNIFFED_BYTES = 65_536
MAX_PROSE_BYTES = 256 * 1024 * 1024
"""Prose is read whole, to see objects across lines; a recording of that size is JSON lines."""
GZIP_MAGIC = b"\x1f\x8b"
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
OUTPUT_HEADING = re.compile(rb"\boutputs?\b", re.IGNORECASE)
LINE_SUFFIXES = {".jsonl", ".ndjson"}


class Format(StrEnum):
    """How a file holds its messages."""

    LINES = "lines"
    OBJECTS = "objects"
    CSV = "csv"


class Recording:
    """One file. Iterating gives the payload of every message; `left_out` then says how many objects stood
    behind a heading that names an output."""

    def __init__(self, path: Path, form: Format | None = None, *, all_objects: bool = False) -> None:
        """Refuses what is missing, empty or binary; guesses the format unless told."""
        self.path = path
        self.left_out = 0
        self._all_objects = all_objects
        head = self._head()
        self.format = form or self._guess(head)

    @property
    def stem(self) -> str:
        """The file's name without folder and suffixes: the vehicle of a recording that names none."""
        name = self.path.name.removesuffix(".gz")
        return name.rpartition(".")[0] or name

    def __iter__(self) -> Iterator[bytes]:
        with self._open() as source, closing(self._messages(source)) as messages:
            found = False
            for message in messages:
                found = True
                yield message
        if not found:
            raise RecordingError(self.path, f"holds no message when read as {self.format}")

    # -- opening

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        """The file's bytes, unpacked where they are packed, whatever the name says."""
        try:
            with self.path.open("rb") as raw:
                packed = raw.read(2) == GZIP_MAGIC
                raw.seek(0)
                with gzip.open(raw) if packed else raw as source:
                    yield cast(BinaryIO, source)
        except FileNotFoundError as missing:
            raise RecordingError(self.path, "no such file") from missing
        except (gzip.BadGzipFile, EOFError, zlib.error) as broken:
            raise RecordingError(self.path, "its gzip data is cut off or damaged") from broken
        except OSError as failed:
            raise RecordingError(self.path, failed.strerror or str(failed)) from failed

    def _head(self) -> bytes:
        with self._open() as source:
            head = source.read(SNIFFED_BYTES)
        if not head.strip():
            raise RecordingError(self.path, "is empty")
        return head

    def _guess(self, head: bytes) -> Format:
        name = self.path.name.lower().removesuffix(".gz")
        suffix = Path(name).suffix
        if suffix in LINE_SUFFIXES:
            return Format.LINES
        if CONTROL.search(head):
            raise RecordingError(self.path, "is a binary file, not a recording")
        if suffix == ".csv":
            return Format.CSV
        return Format.LINES if _is_object(head.lstrip().partition(b"\n")[0]) else Format.OBJECTS

    # -- reading

    def _messages(self, source: BinaryIO) -> Generator[bytes, None, None]:
        match self.format:
            case Format.LINES:
                return lines(source)
            case Format.CSV:
                return self._rows(source)
            case Format.OBJECTS:
                return self._objects(source)

    def _rows(self, source: BinaryIO) -> Generator[bytes, None, None]:
        """One object a row: header names and the row's strings, unchanged. Fields beyond the header are
        named `column_<n>`, missing ones are left out."""
        text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
        reader = csv.reader(text, strict=True)
        try:
            header = next(reader)
            self._check_header(header)
            for row in reader:
                if not row:
                    continue
                names = header + [f"column_{n + 1}" for n in range(len(header), len(row))]
                yield msgspec.json.encode(dict(zip(names, row, strict=False)))
        except csv.Error as broken:
            raise RecordingError(self.path, str(broken), f"line {reader.line_num}") from broken
        except UnicodeDecodeError as broken:
            place = f"near line {reader.line_num + 1}"
            raise RecordingError(self.path, "is not UTF-8 text", place) from broken
        finally:
            text.detach()

    def _check_header(self, header: list[str]) -> None:
        doubled = sorted({name for name in header if header.count(name) > 1})
        if doubled:
            raise RecordingError(self.path, f"names a column twice: {', '.join(doubled)}", "line 1")

    def _objects(self, source: BinaryIO) -> Generator[bytes, None, None]:
        text = source.read(MAX_PROSE_BYTES + 1)
        if len(text) > MAX_PROSE_BYTES:
            raise RecordingError(self.path, "is too long for prose; write one message a line (.jsonl)")
        stopped = False
        for begin, end, heading in spans(text):
            if end < 0:
                line = text.count(b"\n", 0, begin) + 1
                raise RecordingError(self.path, "an object never ends", f"it begins in line {line}")
            stopped = stopped or (heading and not self._all_objects)
            if stopped:
                self.left_out += 1
            else:
                yield text[begin:end]


def lines(source: BinaryIO) -> Generator[bytes, None, None]:
    """Every line that is not blank, without its end."""
    for line in source:
        message = line.removesuffix(b"\n").removesuffix(b"\r")
        if message.strip():
            yield message


TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}]', re.DOTALL)
"""Inside an object: a string, in which braces mean nothing, or a brace."""


def spans(text: bytes) -> Iterator[tuple[int, int, bool]]:
    """The outermost objects in `text` as (begin, end, whether a heading that names an output stood before).
    Quotation marks outside objects are prose. An object that never ends has end -1 and is the last."""
    position = 0
    while (begin := text.find(b"{", position)) >= 0:
        heading = OUTPUT_HEADING.search(text, position, begin) is not None
        depth = end = 0
        for token in TOKEN.finditer(text, begin):
            first = token.group()[:1]
            depth += (first == b"{") - (first == b"}")
            if depth == 0:
                end = token.end()
                break
        if not end:
            yield begin, -1, heading
            return
        yield begin, end, heading
        position = end


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except msgspec.DecodeError:
        return False
