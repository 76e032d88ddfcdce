"""Small files of a table written anew as large ones: bronze's one after the other, silver's in order.

Marts are left alone: each build replaces a partition whole, in one commit, so there is nothing to gather; and
a build of all of a mart would not notice that its files have been replaced (delta-rs 1.6).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deltalake.transaction import AddAction

from lake.bronze_joined import joined
from lake.file_swap import FilesMoved, open_table, swap
from lake.schemas import BRONZE_EVENTS, SILVER_SIGNALS
from lake.settings import LakeSettings
from lake.silver_sorted import in_order
from lake.storage import storage
from lake.table_files import Fragments, small_files

WRITERS: Mapping[str, Callable[[LakeSettings, Fragments], list[AddAction]]] = {
    BRONZE_EVENTS.name: joined,
    SILVER_SIGNALS.name: in_order,
}


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The partitions that were written anew, and those at which another writer was faster: these are as that
    one left them."""

    partitions: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def to_rewrite(settings: LakeSettings, name: str, since: str = "", *, whole: bool = True) -> list[Fragments]:
    """What is worth it now. `whole`: a day of silver is put in order as a whole, not only its small files."""
    if name not in WRITERS:
        return []
    table = open_table(storage(settings), name)
    is_ordered = whole and name == SILVER_SIGNALS.name
    return list(small_files(table, settings.maintenance, since, in_order=is_ordered))


def rewrite(settings: LakeSettings, name: str, since: str = "", *, whole: bool = True) -> Rewritten:
    """One partition after the other, each in a commit of its own. Whoever ends it leaves what is done."""
    store = storage(settings)
    done: list[str] = []
    lost: list[str] = []
    for fragments in to_rewrite(settings, name, since, whole=whole):
        written = WRITERS[name](settings, fragments)
        try:
            swap(store, name, fragments, written)
        except FilesMoved:
            lost.append(fragments.partition)
        else:
            done.append(fragments.partition)
    return Rewritten(tuple(done), tuple(lost))
