"""The page about the tables, docs/marts.md, from what the models say of themselves:
`python -m transforms.document docs/marts.md` writes it."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from transforms.load import load_models
from transforms.model import Column, Model

INTRODUCTION = """# Tables that the transforms make

Written from `transforms/models/`: each table is one SELECT (`.sql`) and its description, columns, checks and
examples (`.yml`). `fleetlake materialize` brings them up to date; `fleetlake sql` asks them. Times are UTC. A
name like `trip_still_s` is a threshold: [settings.md](settings.md).

Columns marked *delivery* say how messages came. Another order of arrival, or a second delivery, may change
them and changes no other column.
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


def described(column: Column) -> str:
    """What a column is, with its unit."""
    return f"{column.description} [{column.unit}]" if column.unit else column.description


def _row(name: str, column: Column) -> str:
    kind = column.type.value if column.required else f"{column.type.value}, may be null"
    delivery = " *(delivery)*" if column.delivery else ""
    return f"| `{name}` | {kind} | {column.unit or ''} | {column.description}{delivery} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(load_models()))
