"""What is said of a client library's error."""

from lake.errors import plain

TRACED = """Kernel error: Json error: unexpected 'g'
   0: <unknown>
   1: <unknown>
   2: start_thread
             at ./nptl/pthread_create.c:442:8
"""


def test_an_error_is_one_line_without_the_way_through_its_code() -> None:
    """Nor the colours of a terminal."""
    assert plain(OSError(TRACED)) == "Kernel error: Json error: unexpected 'g'"
    assert plain(OSError("\x1b[31mno\x1b[0m\n  such file: part 10: x")) == "no such file: part 10: x"
