"""Which tables a lake holds now: those with a Delta log. Asked of the folder, or of S3 with one request."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import botocore.exceptions

from lake.storage import Storage, translated

ENTRIES = "_delta_log/0"
"""Log entries and checkpoints are numbered with leading zeros."""


def exists(store: Storage, table: str) -> bool:
    """Whether the table has been created."""
    layer, _, name = table.partition(".")
    if not store.locations.is_s3:
        return any(Path(store.locations.layer(layer), name).glob(f"{ENTRIES}*"))
    with _translating(store):
        found = store.client().list_objects_v2(
            Bucket=store.locations.bucket, Prefix=_key(store, f"{layer}/{name}/{ENTRIES}"), MaxKeys=1
        )
        return int(found["KeyCount"]) > 0


def gold_tables(store: Storage) -> list[str]:
    """The gold tables, named `gold.<table>`, in order of name; on S3 also one that is being made."""
    folders = _s3_folders(store) if store.locations.is_s3 else _local_folders(store)
    return sorted(f"gold.{name}" for name in folders)


def _local_folders(store: Storage) -> Iterator[str]:
    gold = Path(store.locations.layer("gold"))
    return iter({entry.parent.parent.name for entry in gold.glob(f"*/{ENTRIES}*")})


def _s3_folders(store: Storage) -> Iterator[str]:
    prefix = _key(store, "gold/")
    pages = store.client().get_paginator("list_objects_v2")
    with _translating(store):
        for page in pages.paginate(Bucket=store.locations.bucket, Prefix=prefix, Delimiter="/"):
            for found in page.get("CommonPrefixes", []):
                yield found["Prefix"].removeprefix(prefix).rstrip("/")


def _key(store: Storage, path: str) -> str:
    return f"{store.locations.prefix}/{path}".lstrip("/")


@contextmanager
def _translating(store: Storage) -> Iterator[None]:
    try:
        yield
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise translated(store, error) from error
