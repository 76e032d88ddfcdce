"""Text that is read by people: columns, cut lines, numbers with their noun."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fleetlake.commands.plain_text import aligned, counted, shortened


def test_columns_are_aligned_and_no_line_ends_with_blanks() -> None:
    """Words to the left, numbers to the right."""
    assert aligned([("name", "n", "note"), ("a", "10", "")], right={1}) == ["name   n  note", "a     10"]


def test_what_is_cut_ends_with_an_ellipsis() -> None:
    """And what fits does not."""
    assert shortened("a long\n tale", 11) == "a long tale"
    assert shortened("a long\n tale", 8) == "a long…"
    assert shortened("\x1b[31mred", 20) == "\ufffd[31mred"


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_a_shortened_text_is_one_line_that_fits(text: str, width: int) -> None:
    """Whatever characters it has, wide ones too."""
    line = shortened(text, width)
    assert cell_len(line) <= width
    assert line.isprintable()


def test_a_number_has_its_noun() -> None:
    """One is not many, none is."""
    assert [counted(n, "message") for n in (0, 1, 2)] == ["0 messages", "1 message", "2 messages"]
