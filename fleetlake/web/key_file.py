"""The file of API keys: YAML that a person can read and correct, without a secret in it. Changes are atomic
and one at a time, whichever process makes them; nobody else than the file's owner may write to it."""

import fcntl
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fleetlake.web.keys import Key

MOST_BYTES = 1024 * 1024
WRITABLE_BY_OTHERS = 0o022
HEAD = "# API keys of Fleetlake's HTTP interfaces: `fleetlake keys add|list|revoke`. No secret stands here.\n"


class KeysUnreadable(Exception):
    """The file of API keys cannot be used. Until it can, nobody is let in by a key.

    Operator action: correct the file that the message names, or its mode (0600).
    """

    def __init__(self, file: Path, reason: str) -> None:
        self.file, self.reason = file, reason
        super().__init__(f"{file}: {reason}")


class KeyExists(Exception):
    """There is a key of this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a key {name!r} already: revoke it first, or take another name")


class NoSuchKey(Exception):
    """No key has this name."""

    def __init__(self, name: str, file: Path) -> None:
        super().__init__(f"{file} has no key {name!r}; `fleetlake keys list` shows all")


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: tuple[Key, ...] = ()


def read_keys(path: Path) -> tuple[Key, ...]:
    """All keys of a file; KeysUnreadable where it is not as it should be."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise KeysUnreadable(path, error.strerror or type(error).__name__) from error
    if mode & WRITABLE_BY_OTHERS:
        raise KeysUnreadable(path, f"others may write to it (mode {mode & 0o777:04o}); `chmod 600` ends that")
    if len(text) > MOST_BYTES:
        raise KeysUnreadable(path, f"larger than {MOST_BYTES} bytes")
    try:
        return _unique(path, _Document.model_validate(_yaml().load(text) or {}).keys)
    except (YAMLError, UnicodeDecodeError) as error:
        raise KeysUnreadable(path, f"no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise KeysUnreadable(path, _first_problem(error)) from error


@contextmanager
def changing(path: Path) -> Iterator[list[Key]]:
    """The keys of a file, which are written back when the block ends well. A second process waits."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = list(read_keys(path)) if path.exists() else []
        yield keys
        _write(path, keys)
    finally:
        os.close(lock)


def add(path: Path, key: Key) -> None:
    """Adds a key; KeyExists where the name is taken."""
    with changing(path) as keys:
        if any(each.name == key.name for each in keys):
            raise KeyExists(key.name)
        keys.append(key)


def revoke(path: Path, name: str) -> None:
    """Takes a key out; NoSuchKey where there is none of the name."""
    with changing(path) as keys:
        left = [each for each in keys if each.name != name]
        if len(left) == len(keys):
            raise NoSuchKey(name, path)
        keys[:] = left


def _write(path: Path, keys: Sequence[Key]) -> None:
    """Readers see the old file or the new one. Owner and mode stay, or the interfaces could not read it after
    root has changed it; a new file is its owner's alone."""
    out = StringIO()
    _yaml().dump({"keys": [entry_of(key) for key in keys]}, out)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        if path.exists():
            found = path.stat()
            os.fchown(descriptor, found.st_uid, found.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
        file.write(HEAD + out.getvalue())
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def entry_of(key: Key) -> dict[str, Any]:
    """What the file has of a key."""
    values = key.model_dump(mode="json", exclude_none=True)
    return {name: sorted(value) if isinstance(value, list) else value for name, value in values.items()}


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # name first; typed as None
    return yaml


def _unique(path: Path, keys: tuple[Key, ...]) -> tuple[Key, ...]:
    for what, values in (("name", [key.name for key in keys]), ("id", [key.id for key in keys])):
        doubled = [value for value, times in Counter(values).items() if times > 1]
        if doubled:
            raise KeysUnreadable(path, f"two keys have the {what} {doubled[0]!r}")
    return keys


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
