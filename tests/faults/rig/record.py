"""What the producers of a run got acknowledged, and what must have become of it: the independent side of
every comparison. One row per acknowledged message, with its coordinates and its truth."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import polars as pl

from tests.faults.rig.traffic import TOPICS, Traffic, Value

TOPIC_NAMES = list(TOPICS.values())
PLACE = ["topic", "partition", "offset"]
LIFE = "topic_id"


class Part(NamedTuple):
    """What one producer left. `lives` are the ids that its topics had, where a topic has more than one life
    in a run; `is_gone` says of (topic, partition, offset) whether Kafka gave it up before anybody read it."""

    path: Path
    traffic: Traffic
    lives: Mapping[str, str] = {}
    is_gone: Callable[[str, int, int], bool] | None = None


@dataclass(frozen=True)
class Record:
    """Acknowledged messages: topic_id (null: any), topic, partition, offset, crc, size, reason (null: valid),
    overspeed."""

    messages: pl.DataFrame
    newest: dict[tuple[str, str], Value]
    """The value that each (vehicle, signal) must have in the end."""
    maxima: dict[str, float]
    """The greatest pressure of each vehicle."""

    def __len__(self) -> int:
        return self.messages.height

    @property
    def rejected(self) -> pl.DataFrame:
        return self.messages.filter(pl.col("reason").is_not_null())

    @property
    def place(self) -> list[str]:
        """The columns that name a message."""
        return PLACE if self.messages[LIFE].has_nulls() else [LIFE, *PLACE]


def read_record(parts: Iterable[Part | tuple[Path, Traffic]]) -> Record:
    """The record of all producers of a run."""
    frames: list[pl.DataFrame] = []
    newest: dict[tuple[str, str], Value] = {}
    maxima: dict[str, float] = {}
    for part in (Part(*each) for each in parts):
        numbers, places = _receipts(part)
        frames.append(_frame(numbers, places, part, newest, maxima))
    return Record(pl.concat(frames), newest, maxima)


def _receipts(part: Part) -> tuple[Sequence[int], dict[str, np.ndarray]]:
    """The numbers of the messages that count, and where they were put."""
    with np.load(part.path) as saved:
        columns = {name: saved[name] for name in ("number", *PLACE)}
    if part.is_gone is not None:
        places = zip(*(columns[name].tolist() for name in PLACE), strict=True)
        stays = np.array([not part.is_gone(TOPIC_NAMES[t], p, o) for t, p, o in places], bool)
        columns = {name: column[stays] for name, column in columns.items()}
    return columns.pop("number").tolist(), columns


def _frame(
    numbers: Sequence[int],
    places: dict[str, np.ndarray],
    part: Part,
    newest: dict[tuple[str, str], Value],
    maxima: dict[str, float],
) -> pl.DataFrame:
    crcs, sizes, reasons, fast = [], [], [], []
    for number in numbers:
        message = part.traffic.message(number)
        crcs.append(crc32(message.payload))
        sizes.append(len(message.payload))
        reasons.append(message.reason)
        fast.append(message.is_overspeed)
        for value in message.values:
            _keep_newest(newest, (message.vehicle, value.signal), value)
            if value.signal == "pressure":
                maxima[message.vehicle] = max(value.value, maxima.get(message.vehicle, value.value))
    names = pl.Series("topic", [TOPIC_NAMES[index] for index in places["topic"].tolist()], pl.String)
    return pl.DataFrame(
        {
            LIFE: pl.Series([part.lives.get(name) for name in names], dtype=pl.String),
            "topic": names,
            "partition": pl.Series(places["partition"], dtype=pl.Int32),
            "offset": pl.Series(places["offset"], dtype=pl.Int64),
            "crc": pl.Series(crcs, dtype=pl.UInt32),
            "size": pl.Series(sizes, dtype=pl.Int64),
            "reason": pl.Series(reasons, dtype=pl.String),
            "overspeed": pl.Series(fast, dtype=pl.Boolean),
        }
    )


def _keep_newest(newest: dict[tuple[str, str], Value], key: tuple[str, str], value: Value) -> None:
    known = newest.get(key)
    if known is None or (value.time_us, value.value) > (known.time_us, known.value):
        newest[key] = value
