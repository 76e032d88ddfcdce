"""The order that decides a state, and the names of its fields."""

from hypothesis import given
from hypothesis import strategies as st

from lake.state_model import Entry, state_key, state_order

TEXT = st.text(st.characters(codec="utf-8"))


@given(st.tuples(TEXT, TEXT))
def test_different_sensors_have_different_keys(sensors: tuple[str, str]) -> None:
    """Escaping is injective, also for the empty sensor."""
    first, second = (state_key("pressure", sensor) for sensor in sensors)
    assert (first == second) == (sensors[0] == sensors[1])


@given(TEXT)
def test_a_key_is_safe_in_a_document_path(sensor: str) -> None:
    """No dot, no dollar, no NUL: MongoDB reads them as a path, an operator, an end."""
    key = state_key("pressure", sensor)
    assert not set(key) & set(".$\0")
    assert key.startswith("pressure@")
    assert state_key("pressure") == "pressure"


def test_a_text_outranks_a_number_only_at_the_same_time() -> None:
    """BSON's order of types decides a tie, never the time."""
    number, text = Entry(1, 9.0, "t/0", 0), Entry(1, "", "t/0", 0)
    assert state_order(text) > state_order(number)
    assert state_order(number._replace(t=2)) > state_order(text)
