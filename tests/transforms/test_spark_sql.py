"""What DuckDB's SQL is in Spark's words: each construct by itself."""

import pytest
import sqlglot
from sqlglot import exp

from tests.transforms.spark_phrases import COLUMNS, EXPRESSIONS, REFUSED, STATEMENTS
from transforms.spark_form import FUNCTIONS, RULES
from transforms.spark_sql import NotForSpark, to_spark
from transforms.statement import BadStatement


def _spark(sql: str) -> str:
    return to_spark(sql, {"t": COLUMNS, "a.t": COLUMNS}).replace("`", "")


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS.items(), ids=list(EXPRESSIONS))
def test_an_expression_is_said_in_sparks_words(expression: str, expected: str) -> None:
    """One by one; a change of SQLGlot's that matters shows here."""
    found = _spark(f"select {expression} as x from t")  # noqa: S608 - the test's own
    assert found.replace("t.", "") == f"SELECT {expected} AS x FROM t AS t"  # noqa: S608


@pytest.mark.parametrize("expression", [each for each in EXPRESSIONS if each != "$p"])
def test_what_an_expression_gives_has_a_type(expression: str) -> None:
    """What is asked of its rows may depend on it."""
    found = _spark(f"select x from (select {expression} as x from t)")  # noqa: S608
    assert found.startswith("SELECT _0.x AS x FROM (")


@pytest.mark.parametrize(("sql", "expected"), STATEMENTS.items(), ids=list(STATEMENTS))
def test_a_statement_is_said_in_sparks_words(sql: str, expected: str) -> None:
    """What is more than an expression."""
    assert _spark(sql) == expected


def test_every_rule_has_a_case() -> None:
    """A rule that no test looks at may give anything."""
    selects = [f"select {each} from t" for each in EXPRESSIONS]  # noqa: S608
    statements = [*selects, *STATEMENTS, *REFUSED]
    nodes = [node for sql in statements for node in sqlglot.parse_one(sql, read="duckdb").walk()]
    assert {kind.__name__ for kind in RULES} - {type(node).__name__ for node in nodes} <= {"DateTrunc"}
    assert FUNCTIONS.keys() <= {node.name.lower() for node in nodes if isinstance(node, exp.Anonymous)}


@pytest.mark.parametrize(("sql", "construct"), REFUSED.items(), ids=list(REFUSED))
def test_what_has_no_faithful_form_is_refused(sql: str, construct: str) -> None:
    """By name, and never left as it is on good luck."""
    with pytest.raises(NotForSpark) as raised:
        _spark(sql)
    assert construct in raised.value.construct


def test_a_refusal_names_the_line() -> None:
    """Of a model of some length."""
    with pytest.raises(
        NotForSpark, match=r"the function hash has no faithful form in Spark: line 3: HASH\(t\.s\)"
    ):
        _spark("select\n  k,\n  hash(s) as h\nfrom t")


def test_what_is_not_one_select_is_no_model() -> None:
    """As for DuckDB."""
    with pytest.raises(BadStatement):
        to_spark("drop table t")
