"""The anomalies among some readings, as one SELECT: the model of gold.anomalies over a relation instead of
silver. What it finds has the ids that the mart will give it."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from sqlglot import exp

from lake.schemas import SILVER_SIGNALS
from transforms.load import load_model
from transforms.statement import DIALECT, parse

READINGS = "readings_now"


def anomalies_of(readings: str) -> str:
    """The SELECT; `readings` is a relation in SQL with the columns of silver. It reads `reference.topics` and
    `reference.thresholds`."""
    return f"with {READINGS} as not materialized (from {readings})\nselect * from (\n{_over_readings()}\n)"


@cache
def _over_readings() -> str:
    model = load_model(Path(str(files("transforms"))) / "models" / "gold" / "anomalies.yml")

    def put(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Table) and f"{node.db}.{node.name}" == SILVER_SIGNALS.name:
            return exp.to_table(READINGS, alias=node.alias_or_name)
        return node

    return parse(model.sql).tree.transform(put).sql(DIALECT, comments=False)
