"""What happens beside a rewrite, or to it: it is refused or done once, and no row is lost or doubled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lake import file_swap, rewriting
from lake.errors import QueryFailed, RewriteDiffers, StoreUnavailable
from lake.file_swap import swap
from lake.maintenance import maintain, preview
from lake.rewriting import Rewritten, rewrite, to_rewrite
from lake.silver import Lane
from lake.silver_sorted import in_order
from lake.table_files import Fragments, stored_files
from tests.lake.maintenance.fragmented import (
    DAY,
    append,
    fragment,
    open_,
    reading,
    rows,
)
from tests.transforms.small_lake import SIGNALS, Lake
from transforms.increment import increment


@contextmanager
def before_the_commit(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> Iterator[None]:
    """Something that happens after the new files were written, and before they are committed."""

    def swapped(*given: Any) -> None:
        monkeypatch.undo()
        happens()
        swap(*given)

    monkeypatch.setattr(rewriting, "swap", swapped)
    yield
    assert rewriting.swap is swap


def test_rows_that_are_landed_meanwhile_stay(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a sink into bronze, by an increment into silver: neither is refused, neither is lost."""
    fragment(lake)

    def more() -> None:
        lake.land([reading("V1", 0)])
        append(lake, [reading("V1", 0)])

    for count, table in enumerate(("bronze.events", "silver.signals"), 1):
        with before_the_commit(monkeypatch, more if count == 1 else lambda: fragment(lake, 1, 1)):
            assert rewrite(lake.settings, table).partitions == (DAY,)
    assert len(rows(lake, "bronze.events")) == 240 + 1 + 40
    assert len(rows(lake, "silver.signals")) == 240 + 1 + 40
    assert len({row[3] for row in rows(lake, "bronze.events")}) == 281


def test_an_increment_that_began_before_is_not_refused(lake: Lake) -> None:
    """Its readings are not in the files that were replaced."""
    fragment(lake)
    lake.land([reading("V1", 0)])
    done = increment(
        lake.settings, SIGNALS, Lane.HOT, before_commit=lambda: rewrite(lake.settings, "silver.signals")
    )
    assert done.added == 1
    assert len(rows(lake, "silver.signals")) == 241


@pytest.mark.parametrize("table", ["bronze.events", "silver.signals"])
def test_of_two_that_rewrite_the_same_files_one_is_refused(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """Two compactions of delta-rs would leave all rows there twice. The loser says so, and it is done."""
    fragment(lake)
    before = rows(lake, table)
    with before_the_commit(monkeypatch, lambda: rewrite(lake.settings, table)):
        assert rewrite(lake.settings, table) == Rewritten((), (DAY,))
    assert rows(lake, table) == before
    assert to_rewrite(lake.settings, table) == []


def test_two_compactions_of_delta_rs_double_rows(lake: Lake) -> None:
    """Why it is not used. Should this fail some day, ADR 8 may be looked at again."""
    fragment(lake)
    one, other = open_(lake, "bronze.events"), open_(lake, "bronze.events")
    one.optimize.compact()
    other.optimize.compact()
    assert len(rows(lake, "bronze.events")) == 2 * 240


def test_a_compaction_by_another_program_is_noticed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was faster: its files stay."""
    fragment(lake)
    before = rows(lake, "bronze.events")
    with before_the_commit(monkeypatch, lambda: open_(lake, "bronze.events").optimize.compact()):
        assert rewrite(lake.settings, "bronze.events") == Rewritten((), (DAY,))
    assert rows(lake, "bronze.events") == before


def test_a_commit_whose_answer_was_lost_is_not_repeated(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had landed: the store did it, and its client took that for somebody else's."""
    fragment(lake)
    before = rows(lake, "silver.signals")
    commit = file_swap._commit

    def landed_unheard(*given: Any) -> None:
        commit(*given)
        monkeypatch.undo()
        raise file_swap.CommitFailedError

    monkeypatch.setattr(file_swap, "_commit", landed_unheard)
    assert rewrite(lake.settings, "silver.signals") == Rewritten((DAY,))
    assert rows(lake, "silver.signals") == before


def test_a_rewrite_that_would_lose_rows_is_refused(lake: Lake) -> None:
    """Whatever the reason; nothing is changed, and nothing is left of it."""
    fragment(lake)
    before = maintain(lake.settings, "bronze.events").after, rows(lake, "silver.signals")
    (found,) = to_rewrite(lake.settings, "silver.signals")
    wrong = Fragments(found.partition, (replace(found.files[0], rows=41), *found.files[1:]))
    with pytest.raises(RewriteDiffers, match="241 rows, and 240 were read"):
        in_order(lake.settings, wrong)
    assert (preview(lake.settings, "bronze.events").found, rows(lake, "silver.signals")) == before
    assert preview(lake.settings, "silver.signals").found.stored_files == 6


@pytest.mark.local_lake
def test_a_file_that_is_gone_stops_a_rewrite_and_changes_nothing(lake: Lake) -> None:
    """Removed by something else: the error names it."""
    fragment(lake)
    before = open_(lake, "bronze.events").version()
    victim = stored_files(open_(lake, "bronze.events"))[2]
    Path(lake.settings.uri, "bronze", "events", victim.path).unlink()
    with pytest.raises(StoreUnavailable, match=victim.path.rpartition("/")[2]):
        rewrite(lake.settings, "bronze.events")
    assert open_(lake, "bronze.events").version() == before
    assert preview(lake.settings, "bronze.events").found.stored_files == 5
    victim = stored_files(open_(lake, "silver.signals"))[2]
    Path(lake.settings.uri, "silver", "signals", victim.path).unlink()
    with pytest.raises(QueryFailed, match=victim.path.rpartition("/")[2]):
        rewrite(lake.settings, "silver.signals")
    assert preview(lake.settings, "silver.signals").found.stored_files == 5
