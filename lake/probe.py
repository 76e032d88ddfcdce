"""Whether the lake can be used now, found out by doing it: an object is written, read back and deleted.
Creates no folder and no bucket; for `fleetlake doctor`, and for a sink whose rows do not land."""

import os
from pathlib import Path
from uuid import uuid4

from lake.errors import AccessDenied, BadLocation, StoreUnavailable
from lake.object_probe import CONTENT, NAME
from lake.storage import STORE, Storage, check_bucket


def check_usable(store: Storage) -> None:
    """Returns when the lake takes an object, keeps it and gives it back; raises what is wrong otherwise."""
    if store.locations.is_s3:
        check_bucket(store)
    else:
        _check_folder(Path(store.locations.root), f"{NAME}-{uuid4().hex}")


def _check_folder(root: Path, name: str) -> None:
    """A folder that does not exist yet is fine where it may be created."""
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    if not existing.is_dir():
        raise BadLocation(str(root), f"{existing} is not a folder")
    if existing != root:
        if not os.access(existing, os.W_OK | os.X_OK):
            raise AccessDenied(STORE, str(existing), "the lake's folder cannot be created here")
        return
    probe = root / name
    try:
        probe.write_bytes(CONTENT)
        came_back = probe.read_bytes()
        probe.unlink()
    except OSError as error:
        raise AccessDenied(STORE, str(root), error.strerror or str(error)) from error
    if came_back != CONTENT:
        raise StoreUnavailable(STORE, str(root), "a file came back with other contents")
