"""Text for people that pipes as well: columns without padding at a line's end, one line of what may have
many, and numbers with their noun."""

import sys
from collections.abc import Collection, Sequence
from shutil import get_terminal_size

from rich.cells import cell_len, set_cell_size

GAP = "  "
ELLIPSIS = "…"


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None where it is none."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def counted(count: int, noun: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """A line a row; the columns numbered in `right` hold numbers."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            padding = " " * (width - cell_len(cell))
            cells.append(padding + cell if number in right else cell + padding)
        lines.append(GAP.join(cells).rstrip())
    return lines


def shortened(text: str, width: int) -> str:
    """The text in one line of at most `width` columns, with an ellipsis where it was cut."""
    line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in _one_line(text))
    return line if cell_len(line) <= width else set_cell_size(line, width - 1).rstrip() + ELLIPSIS


def _one_line(text: str) -> str:
    return " ".join(text.split())
