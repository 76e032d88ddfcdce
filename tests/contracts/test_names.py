"""Unknown signals get names that are safe, different, and never those of the catalog."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.load import load_catalog
from contracts.names import safe_name, safe_path, wire_path

CATALOG = load_catalog()
NAMES = st.one_of(
    st.text(min_size=1, max_size=12), st.sampled_from(sorted(CATALOG)), st.text("%25Ee.a", min_size=1)
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("wire", "safe"),
    [
        ("Vehicle.Cabin.Lights", "Vehicle%2ECabin%2ELights"),
        ("$set", "%24set"),
        ("a-b:c_9", "a-b:c_9"),
        ("speed", "%73peed"),
        ("%73peed", "%2573peed"),
        ("тест", "%D1%82%D0%B5%D1%81%D1%82"),
        ("a\x00b", "a%00b"),
    ],
)
def test_names_as_they_are_kept(wire: str, safe: str) -> None:
    """Dots and dollars, other scripts, and a name that would pose as a catalogued signal."""
    assert safe_name(wire, CATALOG) == safe


@given(st.sets(PATHS, min_size=2, max_size=2))
def test_two_names_never_become_one(paths: set[tuple[str, ...]]) -> None:
    """Fields of objects included: `a.b` is not `b` in `a`."""
    first, second = (safe_path(path, CATALOG) for path in paths)
    assert first != second


@given(PATHS)
def test_names_are_safe_and_can_be_read_back(path: tuple[str, ...]) -> None:
    """No character that a store could take for something else."""
    name = safe_path(path, CATALOG)
    assert re.fullmatch(r"[A-Za-z0-9_:%\-]+", name)
    assert name not in CATALOG
    assert wire_path(name) == path
