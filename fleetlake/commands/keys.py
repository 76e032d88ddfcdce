"""`fleetlake keys`: who may ask the gateway and the read API. A key is shown once, when it is made."""

import json
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from contracts.access import Scope

app = typer.Typer(no_args_is_help=True, add_completion=False, help="API keys of the HTTP interfaces.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON value instead of text.")]
PIPED_WIDTH = 160


def _expiry(text: str) -> datetime:
    """For --expires: a day, to its end, or a time; UTC where it names no zone."""
    from fleetlake.web.keys import moment

    found = moment(text)
    if not isinstance(found, datetime):
        problem = f"{text!r} is no day like 2027-01-31, and no time like 2027-01-31T12:00Z"
        raise typer.BadParameter(problem)
    return found


@app.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="Whose it is: it stands in logs.")],
    scopes: Annotated[list[Scope], typer.Option("--scope", help="What it is good for; may be given again.")],
    fleets: Annotated[
        list[str] | None,
        typer.Option(
            "--fleet", help="Only the vehicles of this fleet; may be given again.", show_default="all"
        ),
    ] = None,
    expires: Annotated[
        datetime | None,
        typer.Option(parser=_expiry, metavar="DATE", help="Last day, or a time.", show_default="never"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once: the file has only a hash of it.

    The first key closes the interfaces for everybody without one, also those that run already.
    """
    from fleetlake.web.key_file import add
    from fleetlake.web.keys import NAME_RULE, Key, is_name

    if not is_name(name):
        raise typer.BadParameter(NAME_RULE, param_hint="NAME")
    now = datetime.now(UTC)
    if expires is not None and expires <= now:
        problem = "that is over already"
        raise typer.BadParameter(problem, param_hint="--expires")
    restricted = None if not fleets else frozenset(fleets)
    entry, key = Key.new(name, frozenset(scopes), restricted, created=now, expires=expires)
    unknown = _fleets_of_nobody(restricted or ())
    file = _file()
    add(file, entry)
    if unknown:
        problem = f"no vehicle is of the fleet {' or '.join(unknown)} in the vehicle registry"
        typer.echo(f"{problem} (FLEETLAKE_VEHICLES): by that the key sees none", err=True)
    if as_json:
        typer.echo(json.dumps({"name": name, "key": key, "file": str(file)}))
        return
    typer.echo(key)
    typer.echo(f"added {name} to {file}; the key is not shown again", err=True)


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """All keys: what each is good for, and until when."""
    from fleetlake.web.key_file import entry_of, read_keys

    file = _file()
    keys = read_keys(file) if file.exists() else ()
    if as_json:
        told = [{name: value for name, value in entry_of(key).items() if name != "sha256"} for key in keys]
        typer.echo(json.dumps(told))
        return
    if not keys:
        typer.echo(f"no keys in {file}")
        return
    now = datetime.now(UTC)
    table = Table("name", "id", "scopes", "fleets", "created", "expires", box=None)
    for key in keys:
        until = "never" if key.expires is None else _shown(key.expires)
        table.add_row(
            key.name,
            key.id,
            " ".join(sorted(key.scopes)),
            "all" if key.fleets is None else " ".join(sorted(key.fleets)),
            _shown(key.created),
            f"{until} (expired)" if key.has_expired(now) else until,
        )
    console = Console(highlight=False, markup=False)
    wide = console if console.is_terminal else Console(highlight=False, markup=False, width=PIPED_WIDTH)
    wide.print(table)


@app.command("revoke")
def revoke_key(name: Annotated[str, typer.Argument(help="The key's name.")]) -> None:
    """Take a key out: interfaces that run refuse it within a second."""
    from fleetlake.web.key_file import revoke

    file = _file()
    revoke(file, name)
    typer.echo(f"revoked {name}")


def _fleets_of_nobody(fleets: Collection[str]) -> list[str]:
    """Those of which the vehicle registry has no vehicle."""
    from fleetlake.settings import Settings
    from transforms.vehicles import load_vehicles

    if not fleets:
        return []
    return sorted(set(fleets) - set(load_vehicles(Settings().vehicles)["fleet"].to_pylist()))


def _file() -> Path:
    from fleetlake.settings import Settings
    from fleetlake.web.access import keys_file_of

    settings = Settings()
    return keys_file_of(settings.http, settings.data_dir)


def _shown(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")
