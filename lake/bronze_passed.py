"""How far history had come at an earlier moment, as bronze's own log has it: what was landed since then can
be looked at without reading what was there before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pyarrow.fs import FileSelector

from lake.bronze import BronzePartition, store_errors
from lake.errors import StoreUnavailable
from lake.schemas import BRONZE_EVENTS
from lake.storage import Storage
from lake.transactions import LOG, transactions

CLOCKS = timedelta(days=1)
"""A file is dated when it is begun, by the clock of its writer, and committed by the store's: rows that were
committed after a moment are not dated a day before it."""


@dataclass(frozen=True, slots=True)
class Passed:
    """The next offsets of a moment; rows that were landed since are dated `first_day` or later."""

    moment: datetime
    checkpoints: Mapping[BronzePartition, int]

    @property
    def first_day(self) -> date:
        return self.moment.date() - CLOCKS


def passed(storage: Storage, moment: datetime) -> Passed | None:
    """As of the last commit before `moment`; None where the log does not reach back so far.

    The log of a table that was copied is as young as the copy.
    """
    version = _version_at(storage, moment)
    if version is None:
        return None
    try:
        recorded = transactions(storage, BRONZE_EVENTS.name, version)
    except StoreUnavailable:  # that part of the log was cleaned up
        return None
    checkpoints = {
        BronzePartition(topic_id, int(number)): offset
        for name, offset in recorded.items()
        for topic_id, _, number in [name.rpartition("/")]
        if ":" not in topic_id
    }
    return Passed(moment, checkpoints)


def _version_at(storage: Storage, moment: datetime) -> int | None:
    with store_errors(storage):
        entries = storage.files(BRONZE_EVENTS.name).get_file_info(FileSelector(LOG))
    before = (
        int(entry.base_name.partition(".")[0])
        for entry in entries
        if entry.base_name.endswith(".json")
        and entry.base_name.partition(".")[0].isdecimal()
        and entry.mtime.astimezone(UTC) <= moment
    )
    return max(before, default=None)
