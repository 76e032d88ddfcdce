"""`fleetlake materialize`: brings silver and the marts up to date through Dagster, in this process."""

from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestration.assets import Told
    from orchestration.materialize import Outcome

DAY = "%Y-%m-%d"


def materialize(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Tables to make, such as gold.trips or trips, and what they read. Default: all."),
    ] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=[DAY], help="First day to build, due or not.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=[DAY], help="Last day to build; default: today.")
    ] = None,
) -> None:
    """Bring silver and the marts up to date.

    Without days, what is due: what messages, late ones too, a changed model or threshold have made so.
    With --from, the days from there on that have messages are built again, of the tables named or of all.

    Runs through Dagster, on record in its instance. Exit code 1 if a run or a check failed.
    """
    from fleetlake.materialize import bring_up_to_date
    from fleetlake.settings import Settings
    from transforms.load import load_models

    settings = Settings()
    tables = _named(load_models(), models or [])
    _conclude(bring_up_to_date(settings, _tell, tables, _days(first, last, settings.dagster.first_day)))


def _named(known: Collection[str], given: list[str]) -> list[str] | None:
    """The full names of the tables; None where none is given."""
    found: list[str] = []
    for name in given:
        matches = [each for each in known if name in (each, each.partition(".")[2])]
        if not matches:
            problem = f"there is no table {name}; there are {', '.join(sorted(known))}"
            raise typer.BadParameter(problem, param_hint="MODELS")
        found += matches
    return found or None


def _days(first: datetime | None, last: datetime | None, calendar: date) -> tuple[str, str] | None:
    if first is None:
        if last is not None:
            problem = "it needs --from as well"
            raise typer.BadParameter(problem, param_hint="--to")
        return None
    today = datetime.now(UTC).date()
    begin, end = first.date(), last.date() if last else today
    if not calendar <= begin <= end <= today:
        problem = f"{begin} to {end} are not days in order between {calendar} and today, {today}"
        raise typer.BadParameter(problem, param_hint="--from")
    return begin.isoformat(), end.isoformat()


def _tell(told: "Told") -> None:
    days = f", {told.partitions} days" if told.partitions > 1 else ""
    typer.echo(f"{told.asset:24} {told.rows:>12,} rows in {told.seconds:.1f} s{days}")


def _conclude(outcomes: list["Outcome"]) -> None:
    """What went wrong, and the exit code that says so."""
    problems = [problem for each in outcomes for problem in each.problems]
    for problem in problems:
        typer.echo(f"FAILED {problem}", err=True)
    for warning in {f"{where}: {what}": None for each in outcomes for where, what in each.warnings.items()}:
        typer.echo(f"WARNING {warning}", err=True)
    passed = sum(each.passed_checks for each in outcomes)
    typer.echo(f"{len(outcomes)} runs, {passed} checks passed, {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)
