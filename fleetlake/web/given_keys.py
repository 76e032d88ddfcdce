"""API keys that were made elsewhere, such as by `make env`: a key a line, put into the file of keys."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from contracts.access import Scope
from fleetlake.web.key_file import changing
from fleetlake.web.keys import Key, digest, parts_of


class GivenKeysUnreadable(Exception):
    """A file of keys to take over is not as it should be. Nothing was taken over.

    Operator action: correct the line that the message names; it never shows a key.
    """

    def __init__(self, file: Path, line: int, problem: str) -> None:
        self.file, self.line, self.problem = file, line, problem
        super().__init__(f"{file}, line {line}: {problem}")


def take_over(given: Path, path: Path, now: datetime) -> list[str]:
    """Puts the keys of `given` into the file `path`, each in place of one of its name; returns the names of
    those that were not in it so already. Keys of other names stay."""
    wanted = list(_entries(given, now.astimezone(UTC).replace(microsecond=0)))
    changed = []
    with changing(path) as keys:
        found = {key.name: key for key in keys}
        for key in wanted:
            before = found.get(key.name)
            if before is None or (before.id, before.sha256, before.scopes) != (
                key.id,
                key.sha256,
                key.scopes,
            ):
                found[key.name] = key
                changed.append(key.name)
        keys[:] = found.values()
    return changed


def _entries(given: Path, now: datetime) -> Iterator[Key]:
    """Lines of name, scopes with commas between them, and key."""
    for number, line in enumerate(given.read_text().splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 3:
            raise GivenKeysUnreadable(given, number, "a line has a name, scopes and a key")
        name, scopes, credential = words
        parts = parts_of(credential)
        if parts is None:
            raise GivenKeysUnreadable(given, number, "the third word is no key")
        identity, secret = parts
        known = {str(scope): scope for scope in Scope}
        unknown = [scope for scope in scopes.split(",") if scope not in known]
        if unknown:
            raise GivenKeysUnreadable(given, number, f"there is no scope {', '.join(unknown)}")
        try:
            yield Key(
                name=name,
                id=identity,
                sha256=digest(secret),
                scopes=frozenset(known[scope] for scope in scopes.split(",")),
                created=now,
            )
        except ValidationError as error:
            raise GivenKeysUnreadable(given, number, error.errors(include_input=False)[0]["msg"]) from error
