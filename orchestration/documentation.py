"""What the models say of themselves, as Dagster shows it."""

import dagster as dg

from transforms.document import described
from transforms.model import Model


def about(model: Model) -> str:
    """The description, with what the table is read and sorted by."""
    reach = model.about.reach
    lines = [model.about.description.strip(), "", f"Key: {', '.join(model.about.key)}."]
    if reach.before or reach.after:
        lines.append(f"A day is made from {reach.before} days before it to {reach.after} after.")
    return "\n".join(lines)


def column_schema(model: Model) -> dict[str, dg.TableSchema]:
    """The columns with their units."""
    columns = [
        dg.TableColumn(
            name=name,
            type=column.type.value,
            description=described(column),
            constraints=dg.TableColumnConstraints(nullable=not column.required),
        )
        for name, column in model.about.columns.items()
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}
