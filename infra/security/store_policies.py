"""What rights.yml means for MinIO, or any S3: one policy document a service, for one lake."""

from typing import Any

from infra.security.rights import Area, StoreRights
from lake.locations import LAYERS, Locations
from lake.object_probe import NAME

READS = ("s3:GetObject",)
WRITES = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
"""An upload that was begun and not ended holds no data of anybody else: its end is no deletion."""
DELETES = ("s3:DeleteObject",)

VERSION = "2012-10-17"
"""Of the language that policies are written in."""


def policy(rights: StoreRights, lake: Locations) -> dict[str, Any]:
    """Allows what is named, below the lake's prefix; everything else stays refused."""
    bucket = f"arn:aws:s3:::{lake.bucket}"
    statements = [
        _allow(actions, [f"{bucket}/{key}" for area in areas for key in _keys(area, lake)])
        for areas, actions in ((rights.read, READS), (rights.write, WRITES), (rights.delete, DELETES))
        if areas
    ]
    below = {} if not lake.prefix else {"StringLike": {"s3:prefix": [f"{lake.prefix}/*"]}}
    statements.append({**_allow(["s3:ListBucket"], [bucket]), **({"Condition": below} if below else {})})
    if rights.create_bucket:
        statements.append(_allow(["s3:CreateBucket"], [bucket]))
    return {"Version": VERSION, "Statement": statements}


def _keys(area: Area, lake: Locations) -> list[str]:
    prefix = f"{lake.prefix}/" if lake.prefix else ""
    if area is Area.LAKE:
        return [key for each in (*LAYERS, Area.PROBE) for key in _keys(Area(each), lake)]
    return [f"{prefix}{NAME}-*" if area is Area.PROBE else f"{prefix}{area}/*"]


def _allow(actions: tuple[str, ...] | list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}
