"""What a lake needs of an S3 store, found out with an object of its own that is deleted again."""

from typing import Any, NamedTuple
from uuid import uuid4

from botocore.exceptions import ClientError

NAME = "_fleetlake-probe"
CONTENT = b"written by fleetlake to see that the store can be used; may be deleted"
REFUSED = 412
UNKNOWN = 501
"""Statuses of a put with `If-None-Match`: the object is there, and the store does not know the condition."""


class Probed(NamedTuple):
    """What the store did."""

    gives_back: bool
    """The object came back as it was written."""
    keeps_what_is_there: bool
    """A put that must not overwrite was refused; otherwise two writers make one version of a table."""


def probe_object(client: Any, bucket: str, prefix: str) -> Probed:
    """Raises what the client raises where the store refuses or does not answer."""
    place = {"Bucket": bucket, "Key": f"{prefix}/{NAME}-{uuid4().hex}".lstrip("/")}
    client.put_object(**place, Body=CONTENT)
    keeps = _is_refused(client, place)
    found = client.get_object(**place)["Body"].read()
    client.delete_object(**place)
    return Probed(found == CONTENT, keeps)


def _is_refused(client: Any, place: dict[str, str]) -> bool:
    try:
        client.put_object(**place, Body=CONTENT, IfNoneMatch="*")
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status not in (REFUSED, UNKNOWN):
            raise
        return bool(status == REFUSED)
    return False
