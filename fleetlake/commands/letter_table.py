"""Dead letters as a table: what names one, when and why is never cut; its detail takes the room left."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from fleetlake.commands.plain_text import GAP, aligned, shortened
from ingest.deadletters import Found
from ingest.redrive import Markers

NEVER_LEFT_OUT = ("dead letter", "time", "reason")
LEFT_OUT_LAST = ("redriven", "bytes", "message")
ORDER = ("dead letter", "time", "reason", "detail", "message", "bytes", "redriven")
DETAIL_ENOUGH = 24
"""Columns that the detail keeps before anything that may be left out is shown."""
PIPED_DETAIL = 60
"""Columns of the detail where the output is no terminal."""

Groups = Counter[tuple[str, str]]
"""Dead letters by source and reason."""


def letter_lines(
    letters: Sequence[Found], times: Sequence[str], markers: Markers, width: int | None
) -> list[str]:
    """A heading and a line for each; `width` None where the output is no terminal."""
    columns = {
        "dead letter": [str(found.at) for found in letters],
        "time": list(times),
        "reason": [found.letter.error for found in letters],
        "message": [str(found.source_at) for found in letters],
        "bytes": [str(found.letter.size or 0) for found in letters],
        "redriven": ["yes" if found in markers else "" for found in letters],
    }
    shown, room = _fitting(columns, width)
    if room >= len("detail"):
        columns["detail"] = [shortened(found.letter.detail or "", room) for found in letters]
        shown = (*shown, "detail")
    names = [name for name in ORDER if name in shown]
    rows = [names, *zip(*(columns[name] for name in names), strict=True)]
    return aligned(rows, right={number for number, name in enumerate(names) if name == "bytes"})


def group_lines(groups: Groups) -> list[str]:
    """A line for each source with its reasons, the most frequent first."""
    sources: Counter[str] = Counter()
    reasons: dict[str, list[str]] = {}
    for (source, reason), count in sorted(groups.items(), key=lambda item: (-item[1], item[0])):
        sources[source] += count
        reasons.setdefault(source, []).append(f"{reason} {count}")
    rows = [("source", "dead letters", "reasons")]
    rows += [(source, str(count), ", ".join(reasons[source])) for source, count in sources.most_common()]
    return aligned(rows, right={1})


def _fitting(columns: Mapping[str, Sequence[str]], width: int | None) -> tuple[tuple[str, ...], int]:
    """The columns beside the detail, and the room that is left for it."""
    if width is None:
        return (*NEVER_LEFT_OUT, *LEFT_OUT_LAST), PIPED_DETAIL
    taken = {name: max(map(cell_len, (name, *cells))) + len(GAP) for name, cells in columns.items()}
    shown: tuple[str, ...] = NEVER_LEFT_OUT
    room = width - sum(taken[name] for name in shown)
    for name in LEFT_OUT_LAST:
        if room - taken[name] >= DETAIL_ENOUGH:
            shown, room = (*shown, name), room - taken[name]
    return shown, room
