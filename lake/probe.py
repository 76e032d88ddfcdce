"""Whether the lake can be used now, found out by doing it: an object is written, read back and deleted.
Creates no folder and no bucket; for `fleetlake doctor`."""

import os
import uuid
from pathlib import Path

import botocore.exceptions

from lake.errors import AccessDenied, BadLocation, StoreUnavailable
from lake.storage import STORE, Storage, translated

NAME = "_fleetlake-probe"
CONTENT = b"written by fleetlake doctor; may be deleted"


def check_usable(store: Storage) -> None:
    """Returns when the lake takes an object and gives it back; raises what is wrong otherwise."""
    name = f"{NAME}-{uuid.uuid4().hex}"
    if store.locations.is_s3:
        _check_bucket(store, name)
    else:
        _check_folder(Path(store.locations.root), name)


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


def _check_bucket(store: Storage, name: str) -> None:
    client = store.client()
    place = {"Bucket": store.locations.bucket, "Key": f"{store.locations.prefix}/{name}".lstrip("/")}
    try:
        client.put_object(**place, Body=CONTENT)
        came_back = client.get_object(**place)["Body"].read()
        client.delete_object(**place)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise translated(store, error) from error
    if came_back != CONTENT:
        raise StoreUnavailable(STORE, store.locations.root, "an object came back with other contents")
