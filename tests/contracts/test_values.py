"""One type a signal, however the value comes; a column of values is read like each of them."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.limits import DEFAULT_LIMITS
from contracts.meaning import Meaning, Reading, read_value
from contracts.reasons import Reason
from contracts.result import Refused
from contracts.units import Conversion, conversion, units_into
from contracts.vector.values import Meanings
from tests.contracts import wire

NUMBER = Meaning("speed", "number", "km/h", minimum=0, maximum=500)
MILES = Meaning("speed", "number", "km/h", Conversion(1.609344), 0, 500)
TRUTH = Meaning("ignition", "bool")
WORD = Meaning("weather", "text")
GEAR = Meaning("gear", "text", values=(("P", "P"), ("ShiftStateP", "P"), ("1", "D")))
MEANINGS = [NUMBER, MILES, TRUTH, WORD, GEAR, None]


@pytest.mark.parametrize(
    ("meaning", "raw", "value"),
    [
        (NUMBER, 5, 5.0),
        (NUMBER, "5.50", 5.5),
        (NUMBER, "\t5 ", 5.0),
        (NUMBER, "+.5e1", 5.0),
        (NUMBER, True, 1.0),
        (NUMBER, 500, 500.0),
        (MILES, 100, 160.9344),
        (MILES, "100", 160.9344),
        (TRUTH, True, 1.0),
        (TRUTH, 0, 0.0),
        (TRUTH, "1.0", 1.0),
        (TRUTH, " Off ", 0.0),
        (TRUTH, "TRUE", 1.0),
        (None, 2**40, float(2**40)),
        (None, False, 0.0),
        (None, -0.0, 0.0),
    ],
)
def test_values_that_become_numbers(meaning: Meaning | None, raw: Any, value: float) -> None:
    """Texts, truths and numbers, in the catalog's unit."""
    reading = read_value(raw, meaning, DEFAULT_LIMITS)
    assert reading == Reading(value, None)
    assert math.copysign(1, value) == 1


@pytest.mark.parametrize(
    ("meaning", "raw", "text"),
    [
        (WORD, "Clouds", "Clouds"),
        (WORD, "", ""),
        (WORD, 25, "25"),
        (WORD, True, "true"),
        (GEAR, "ShiftStateP", "P"),
        (GEAR, 1, "D"),
        (None, "12.5", "12.5"),
        (None, {"é": [1, None]}, '{"é":[1,null]}'),
    ],
)
def test_values_that_become_texts(meaning: Meaning | None, raw: Any, text: str) -> None:
    """A catalogued text in its canonical form; of an unknown signal what it is."""
    assert read_value(raw, meaning, DEFAULT_LIMITS) == Reading(None, text)


@pytest.mark.parametrize(
    ("meaning", "raw"), [(NUMBER, None), (NUMBER, ""), (NUMBER, " "), (TRUTH, ""), (WORD, None), (None, None)]
)
def test_null_is_no_value_nor_is_an_empty_text_for_a_number(meaning: Meaning | None, raw: Any) -> None:
    """Fillers and empty cells say nothing."""
    assert read_value(raw, meaning, DEFAULT_LIMITS) is None


@pytest.mark.parametrize(
    ("meaning", "raw", "reason"),
    [
        (NUMBER, -0.1, Reason.OUT_OF_RANGE),
        (NUMBER, 1e308, Reason.OUT_OF_RANGE),
        (NUMBER, float("inf"), Reason.OUT_OF_RANGE),
        (MILES, "1e308", Reason.OUT_OF_RANGE),
        (NUMBER, "1e999", Reason.OUT_OF_RANGE),
        (NUMBER, "nan", Reason.BAD_TYPE),
        (NUMBER, "1_0", Reason.BAD_TYPE),
        (NUMBER, "5 km/h", Reason.BAD_TYPE),
        (NUMBER, "\u0665", Reason.BAD_TYPE),
        (NUMBER, [], Reason.BAD_TYPE),
        (TRUTH, 2, Reason.OUT_OF_RANGE),
        (TRUTH, "maybe", Reason.BAD_TYPE),
        (WORD, {}, Reason.BAD_TYPE),
        (WORD, "x" * 4_097, Reason.TOO_LARGE),
        (GEAR, "X", Reason.OUT_OF_RANGE),
        (None, float("-inf"), Reason.OUT_OF_RANGE),
        (None, [float("inf")], Reason.OUT_OF_RANGE),
        (None, ["x" * 4_097], Reason.TOO_LARGE),
    ],
)
def test_values_that_are_refused(meaning: Meaning | None, raw: Any, reason: Reason) -> None:
    """Never a crash, never a guess."""
    refused = read_value(raw, meaning, DEFAULT_LIMITS)
    assert isinstance(refused, Refused)
    assert refused.reason is reason


SCALARS = st.one_of(wire.SCALARS.filter(lambda raw: not isinstance(raw, int) or isinstance(raw, bool)))


@given(st.lists(st.tuples(SCALARS, st.integers(0, len(MEANINGS) - 1)), max_size=40))
def test_a_column_is_read_like_each_value(pairs: list[tuple[Any, int]]) -> None:
    """Whatever is mixed; what a column does not judge, the reference does."""
    raws, codes = [raw for raw, _ in pairs], np.array([code for _, code in pairs], np.intp)
    values = Meanings(MEANINGS, DEFAULT_LIMITS).read(raws, codes)
    texts = [None] * len(raws) if values.text is None else values.text.to_pylist()
    for index, (raw, code) in enumerate(pairs):
        expected = read_value(raw, MEANINGS[code], DEFAULT_LIMITS)
        if not values.judged[index]:
            continue
        assert not isinstance(expected, Refused), (raw, code)
        number = float(values.number[index]) if values.has_number[index] else None
        assert (number, texts[index]) == ((None, None) if expected is None else tuple(expected))


@given(st.sampled_from(["km/h", "km", "°C", "Pa", "kW", "kWh", "V"]), st.floats(-1e6, 1e6))
def test_units_convert_there_and_back(unit: str, value: float) -> None:
    """To the last binary digit or the one before."""
    for wire_unit in units_into(unit):
        found = conversion(wire_unit, unit)
        assert found is not None
        assert found.to_canonical(found.to_wire(value)) == pytest.approx(value, rel=1e-14, abs=1e-9)


def test_units_that_do_not_fit_do_not_convert() -> None:
    """A speed is no pressure."""
    assert conversion("mph", "Pa") is None
    assert conversion("Pa", "bar") is None
