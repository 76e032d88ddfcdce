"""silver.signals_live: what silver.signals would be after an increment of both lanes now, as one SELECT. What
landed goes through the model of silver, and what silver has is left out, as an increment does it."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from sqlglot import exp

from lake.live import Parts
from lake.schemas import BRONZE_EVENTS
from transforms.load import load_model
from transforms.model import Model
from transforms.statement import DIALECT, parse

LANDED = "landed"


def signals_live(parts: Parts) -> str:
    """The SELECT over these parts. It asks for silver beside what landed, and not for the reverse: conditions
    on a vehicle or a day reach the files of both."""
    model = _model()
    columns = ", ".join(f'"{name}"' for name in model.columns.names)
    return f"""
with {LANDED} as not materialized (
    from {parts.landed}
),

gained as (
    {_of_both_lanes()}
)

select {columns}
from {parts.silver}
union all
select {columns}
from gained
where not exists (
    select 1
    from {parts.silver} as known
    where {_same_reading(model)}
)
"""  # noqa: S608 - our own names


@cache
def _model() -> Model:
    return load_model(Path(str(files("transforms"))) / "models" / "silver" / "signals.yml")


@cache
def _of_both_lanes() -> str:
    """The model over what landed, whichever lane would read it."""

    def put(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Table) and f"{node.db}.{node.name}" == BRONZE_EVENTS.name:
            return exp.to_table(LANDED)
        return exp.null() if isinstance(node, exp.Placeholder) else node

    return parse(_model().sql).tree.transform(put).sql(DIALECT, comments=False)


def _same_reading(model: Model) -> str:
    """Null is a value like any other. The day follows from the key, and is compared for the files' sake: of
    silver only the days asked for are read then."""
    same = [f'known."{name}" is not distinct from gained."{name}"' for name in model.about.key]
    return " and ".join([f'known."{model.about.partition}" = gained."{model.about.partition}"', *same])
