"""What each user of MinIO may do, found out by doing it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.security.rights import Area, StoreRights
from lake.object_probe import NAME
from lake.storage import storage
from tests.security.rig import Secured

NOBODY = "anybody else"
REFUSED = 403
BESIDE = "other/thing"


@dataclass(frozen=True, slots=True)
class StoreAct:
    """One column: who is expected to be able to, and how it is tried."""

    title: str
    expected: Callable[[StoreRights], bool]
    attempt: Callable[[Any, Secured], object]


def _has(areas: tuple[Area, ...], area: Area) -> bool:
    return area in areas or Area.LAKE in areas


def _key(site: Secured, area: Area) -> str:
    return f"{site.prefix}/{NAME}-trial" if area is Area.PROBE else f"{site.prefix}/{area}/thing"


def _get(key: Callable[[Secured], str]) -> Callable[[Any, Secured], object]:
    return lambda s3, site: s3.get_object(Bucket=site.bucket, Key=key(site))


def _put(key: Callable[[Secured], str]) -> Callable[[Any, Secured], object]:
    return lambda s3, site: s3.put_object(Bucket=site.bucket, Key=key(site), Body=b"1")


def _delete(key: Callable[[Secured], str]) -> Callable[[Any, Secured], object]:
    return lambda s3, site: s3.delete_object(Bucket=site.bucket, Key=key(site))


def _list(prefix: Callable[[Secured], str]) -> Callable[[Any, Secured], object]:
    return lambda s3, site: s3.list_objects_v2(Bucket=site.bucket, Prefix=prefix(site))


def _in_area(area: Area) -> Iterator[StoreAct]:
    def key(site: Secured) -> str:
        return _key(site, area)

    yield StoreAct(f"get {area}", lambda rights: _has(rights.read, area), _get(key))
    yield StoreAct(f"put {area}", lambda rights: _has(rights.write, area), _put(key))
    yield StoreAct(f"delete {area}", lambda rights: _has(rights.delete, area), _delete(key))


ACTS = (
    StoreAct("list the lake", lambda rights: True, _list(lambda site: f"{site.prefix}/")),
    *_in_area(Area.BRONZE),
    *_in_area(Area.SILVER),
    *_in_area(Area.PROBE),
    StoreAct("list beside", lambda rights: False, _list(lambda site: "other/")),
    StoreAct("get beside", lambda rights: False, _get(lambda site: BESIDE)),
    StoreAct("put beside", lambda rights: False, _put(lambda site: BESIDE)),
    StoreAct("delete beside", lambda rights: False, _delete(lambda site: BESIDE)),
    StoreAct(
        "make the bucket",
        lambda rights: rights.create_bucket,
        lambda s3, site: s3.create_bucket(Bucket=site.bucket),
    ),
)

EXISTS = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})
"""Who is told that was allowed to ask."""


def expected(rights: StoreRights | None) -> dict[str, bool]:
    """One row, as rights.yml has it."""
    return {act.title: rights is not None and act.expected(rights) for act in ACTS}


def tried(site: Secured) -> dict[str, dict[str, bool]]:
    """Every row: of each user, and of who has none."""
    root = storage(site.lake_of(None)).client()
    root.create_bucket(Bucket=site.bucket)
    rows = {name: service.store for name, service in site.rights.services.items() if service.store}
    found = {}
    for name in (*rows, NOBODY):
        s3 = _anonymous(site) if name == NOBODY else storage(site.lake_of(name)).client()
        found[name] = {}
        for act in ACTS:
            for key in (*(_key(site, area) for area in (Area.BRONZE, Area.SILVER, Area.PROBE)), BESIDE):
                root.put_object(Bucket=site.bucket, Key=key, Body=b"0")
            found[name][act.title] = _may(lambda act=act, s3=s3: act.attempt(s3, site))  # type: ignore[misc]
    return found


def _may(attempt: Callable[[], object]) -> bool:
    """False where it is refused; any other failure is a failure of the trial."""
    try:
        attempt()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == REFUSED:
            return False
        if error.response["Error"]["Code"] not in EXISTS:
            raise
    return True


def _anonymous(site: Secured) -> Any:
    config = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=site.minio.url, region_name="us-east-1", config=config)
