"""The page about the tables, docs/marts.md, from what the models say of themselves:
`python -m transforms.document docs/marts.md` writes it."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from lake.warehouse import Description
from transforms.load import load_models
from transforms.model import Column, Model

INTRODUCTION = """# Tables that the transforms make

Written from `transforms/models/`: each table is one SELECT (`.sql`) and its description, columns, checks and
examples (`.yml`). `fleetlake materialize` brings them up to date, `fleetlake sql` asks them, and `fleetlake
trace` names the Kafka messages behind a row. Times are UTC. A name like `trip_still_s` is a threshold:
[settings.md](settings.md).

Fleet, model, battery and time zone of vehicles come of a registry, `FLEETLAKE_VEHICLES`: a CSV file, or YAML
with a list `vehicles`, of `vehicle_id, fleet, model, battery_kwh, time_zone`; all but the first may be left
out. Dagster reads it when it is started. Local days and hours are null where no time zone is known.

```csv
vehicle_id,fleet,model,battery_kwh,time_zone
V1,north,Twizy,6.1,Africa/Casablanca
V2,south,,,Europe/Berlin
```

`silver.signals_live` is `silver.signals` and what has landed since, each reading once. `fleetlake sql
"describe gold.trips"` lists a table's columns; those of `bronze.events`, a row per message, are in
[architecture.md](architecture.md#tables). Each of the demo's Twizy drives is a vehicle of its own, called
like its file (`T3_05_31_2021`): between two drives of one of them nothing is parked.

Columns marked *delivery* say how messages came. Another order of arrival, or a second delivery, may change
them and changes no other column. But for a reading that lies ahead of its own time of receipt and is received
once more, later: it is another reading, and is counted as one.
"""


def page(models: Mapping[str, Model]) -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(line for model in models.values() for line in _section(model))])


def _section(model: Model) -> Iterator[str]:
    about = model.about
    yield f"## {model.name}\n"
    yield about.description.strip() + "\n"
    facts = [f"Key: {', '.join(about.key)}", f"partition: {about.partition or 'none, it is made as a whole'}"]
    if about.reach.before or about.reach.after:
        facts.append(f"a day is made from {about.reach.before} days before it to {about.reach.after} after")
    yield f"{'; '.join(facts)}. Made from {', '.join(sorted(model.reads))}.\n"
    yield "| column | type | unit | what it is |\n|---|---|---|---|"
    yield from (_row(name, column) for name, column in about.columns.items())
    yield ""
    if about.checks:
        yield "Checked on top of its key and of what is never null:\n"
        yield from (f"- `{check.name}`: {check.description}" for check in about.checks)
        yield ""


def description(model: Model) -> Description:
    """What a warehouse says of the table."""
    order = [name for name in (model.about.partition, *model.about.sort) if name is not None]
    columns = {name: described(column) for name, column in model.about.columns.items()}
    return Description(model.about.description.strip(), columns, order)


def described(column: Column) -> str:
    """What a column is, with its unit."""
    return f"{column.description} [{column.unit}]" if column.unit else column.description


def _row(name: str, column: Column) -> str:
    kind = column.type.value if column.required else f"{column.type.value}, may be null"
    delivery = " *(delivery)*" if column.delivery else ""
    return f"| `{name}` | {kind} | {column.unit or ''} | {column.description}{delivery} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(load_models()))
