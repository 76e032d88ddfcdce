"""Our own questions to the lake, over views that are renewed now and then."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lake.errors import QueryFailed
from lake.reading import LakeReader, Mart, Marts, Outlook, QuestionEnded
from lake.settings import LakeSettings
from lake.storage import storage, wait_ready
from lake.warehouse import Description
from tests.transforms.small_lake import NOON, Lake, speed
from transforms.live import signals_live

TODAY, LONG_AGO = NOON.date(), (NOON - timedelta(days=5)).date()
NUMBERS = Mart(pa.schema([("day", pa.date32()), ("n", pa.int64())]), Description("Numbers", {}, []))
ENDLESS = "select count(*) from range(1000000) a, range(1000000) b"


@contextmanager
def reading(
    settings: LakeSettings, *, seconds: float = 0.0, clock: Callable[[], float] | None = None
) -> Iterator[LakeReader]:
    """A reader that knows one mart, all of whose days are current."""
    marts = Marts({"gold.numbers": NUMBERS}, lambda table: frozenset({TODAY, LONG_AGO}), ["gold.numbers"])
    given: dict[str, Any] = {} if clock is None else {"clock": clock}
    wait_ready(settings)
    with closing(LakeReader(settings, signals_live, marts, snapshot_seconds=seconds, **given)) as reader:
        yield reader


def values(reader: LakeReader, sql: str) -> list[Any]:
    question = reader.question()
    try:
        return [row["v"] for row in reader.ask(question, sql, {}).to_pylist()]
    finally:
        question.close()


LIVE = "select value as v from silver.signals_live order by v"


def test_a_table_that_was_never_made_has_columns_and_no_rows(lake_settings: LakeSettings) -> None:
    """Nothing need be there; what comes is seen."""
    with reading(lake_settings) as reader:
        assert values(reader, "select n as v from gold.numbers") == []
        assert reader.outlook() == Outlook(frozenset(), None, {"gold.numbers": frozenset()})
        rows = pa.table({"day": pa.array([TODAY], pa.date32()), "n": [7]})
        store = storage(lake_settings)
        write_deltalake(store.table("gold.numbers"), rows, storage_options=store.options())
        assert values(reader, "select n as v from gold.numbers") == [7]


@pytest.mark.local_lake
def test_an_answer_is_as_old_as_was_promised_at_most(lake_settings: LakeSettings) -> None:
    """Until then, nobody looks at the lake."""
    now = [0.0]
    lake = Lake(lake_settings)
    lake.land([speed(1)])
    with reading(lake_settings, seconds=2.0, clock=lambda: now[0]) as reader:
        assert values(reader, LIVE) == [1]
        lake.land([speed(2)])
        now[0] = 2.0
        assert values(reader, LIVE) == [1]
        now[0] = 2.1
        assert values(reader, LIVE) == [1, 2]


@pytest.mark.local_lake
def test_the_days_of_what_has_landed_are_known(lake_settings: LakeSettings) -> None:
    """A mart is not current for them, until silver has them and the mart was made anew."""
    lake = Lake(lake_settings)
    lake.land([speed(1)])
    lake.increment()
    with reading(lake_settings) as reader:
        outlook = reader.outlook()
        assert (outlook.silver_days, outlook.tail_days) == (frozenset({TODAY}), frozenset())
        lake.land([speed(2, days_before=5)])
        outlook = reader.outlook()
        assert outlook.tail_days == {LONG_AGO}
        assert not outlook.is_current("gold.numbers", LONG_AGO)
        lake.increment()
        assert reader.outlook().silver_days == {TODAY, LONG_AGO}
        assert reader.outlook().tail_days == frozenset()
        assert values(reader, LIVE) == [1, 2]


def test_a_day_without_readings_is_current(lake_settings: LakeSettings) -> None:
    """There is nothing that a mart could lack."""
    outlook = Outlook(frozenset({TODAY}), frozenset(), {"gold.numbers": frozenset()})
    assert outlook.is_current("gold.numbers", date(2020, 1, 1))
    assert not outlook.is_current("gold.numbers", TODAY)


def test_a_question_can_be_ended(lake_settings: LakeSettings) -> None:
    """From another thread, also when it is over; the reader answers the next one."""
    with reading(lake_settings) as reader:
        question = reader.question()
        is_over = threading.Event()

        def end() -> None:
            while not is_over.wait(0.05):
                question.end()

        ending = threading.Thread(target=end)
        ending.start()
        with pytest.raises(QuestionEnded):
            reader.ask(question, ENDLESS, {})
        is_over.set()
        ending.join()
        question.close()
        question.end()
        assert values(reader, "select 1 as v") == [1]


def test_a_question_that_makes_no_sense_fails(lake_settings: LakeSettings) -> None:
    """Asked twice, as a table might have changed; then told."""
    with reading(lake_settings) as reader, pytest.raises(QueryFailed):
        values(reader, "select nope as v from gold.numbers")


@pytest.mark.local_lake
def test_a_table_that_was_made_anew_is_read(lake_settings: LakeSettings) -> None:
    """With other columns: views that were made before bind no more."""
    lake = Lake(lake_settings)
    lake.land([speed(1)])
    root = storage(lake_settings).locations.root
    write_deltalake(f"{root}/gold/numbers", pa.table({"n": [7]}))
    with reading(lake_settings, seconds=3600.0) as reader:
        assert values(reader, "select n as v from gold.numbers") == [7]
        changed = pa.table({"n": [8], "m": [9]})
        write_deltalake(f"{root}/gold/numbers", changed, mode="overwrite", schema_mode="overwrite")
        assert values(reader, "select m as v from gold.numbers") == [9]
