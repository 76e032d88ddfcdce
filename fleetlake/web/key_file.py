"""The file of API keys. A running server sees a change within a second, so that a key is revoked without a
restart; a file that cannot be read lets nobody in, and stops nothing else. Changes are atomic, one at a time."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from contracts.access import Principal
from fleetlake.web.keys import Key, is_secret_of, parts_of

LOOK_EVERY_SECONDS = 0.5
MOST_BYTES = 4 * 1024 * 1024
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


class KeyFile:
    """The keys of one file, as they are now."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path, self._clock, self._now = path, clock, now
        self._stamp: tuple[int, ...] | None = None
        self._looked_at: float | None = None
        self._keys: Mapping[str, Key] = {}
        self._was_seen = False
        self._problem: str | None = None

    @property
    def was_seen(self) -> bool:
        """Whether there is a file, or was one: taking it away must not open the door."""
        self._look()
        return self._was_seen

    def principal(self, credential: str) -> Principal | None:
        """Whose key it is; None where it is no good, for whatever reason."""
        self._look()
        parts = parts_of(credential)
        if parts is None:
            return None
        key = self._keys.get(parts[0])
        if not is_secret_of(key, parts[1]) or key is None or key.has_expired(self._now()):
            return None
        return key.principal

    def _look(self) -> None:
        """Reads the file if it has changed; asks at most twice a second whether it has."""
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY_SECONDS:
            return
        self._looked_at = now
        stamp = _stamp(self._path)
        if stamp == self._stamp and self._problem is None:
            return
        self._stamp = stamp
        self._was_seen = self._was_seen or stamp is not None
        self._keys = {key.id: key for key in self._read()}

    def _read(self) -> tuple[Key, ...]:
        """All keys; none of a file that cannot be read, which is said once."""
        log = structlog.get_logger()
        try:
            keys = read_keys(self._path) if self._stamp is not None else ()
        except KeysUnreadable as error:
            if error.reason != self._problem:
                log.error("keys_unreadable", file=str(self._path), reason=error.reason)
            self._problem = error.reason
            return ()
        self._problem = None
        log.info("keys_read", file=str(self._path), keys=len(keys))
        return keys


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
    """Readers see the old file or the new one, and nobody else than this user sees either."""
    out = StringIO()
    entries = [entry_of(key) for key in keys]
    _yaml().dump({"keys": entries}, out)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(HEAD + out.getvalue())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def entry_of(key: Key) -> dict[str, Any]:
    values = key.model_dump(mode="json", exclude_none=True)
    return {name: sorted(value) if isinstance(value, list) else value for name, value in values.items()}


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # name first, as in the documents
    return yaml


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return (0,)  # it is there, and reading it says why it cannot be
    return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode


def _unique(path: Path, keys: tuple[Key, ...]) -> tuple[Key, ...]:
    for what in ("name", "id"):
        values = [getattr(key, what) for key in keys]
        doubled = sorted({value for value in values if values.count(value) > 1})
        if doubled:
            raise KeysUnreadable(path, f"two keys have the {what} {doubled[0]!r}")
    return keys


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
