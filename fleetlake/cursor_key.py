"""The key of cursors where none is given: random, made once, and the same for all processes of a data folder.
Nobody who knows where the stores lie can make a cursor of their own."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

KEY_BYTES = 32
FILE = Path("cursor.key")


def cursor_key(data_dir: Path) -> bytes:
    """Of the first process that asked. Where the folder cannot be written, one that is good for this process
    alone: cursors end with it."""
    file = data_dir.absolute() / FILE
    with suppress(OSError):
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            _make(file)
        key = file.read_bytes()
        if len(key) == KEY_BYTES:
            return key
    return secrets.token_bytes(KEY_BYTES)


def _make(file: Path) -> None:
    """Whole, or not at all; of several processes, the first one's stays."""
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(secrets.token_bytes(KEY_BYTES))
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()
