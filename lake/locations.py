"""Where every table lives. A table is named `<layer>.<table>` and stored at `<lake>/<layer>/<table>`; local
folders are absolute, so a change of the working directory moves nothing."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lake.errors import BadLocation
from lake.settings import LakeSettings

LAYERS = ("bronze", "silver", "gold")

UNREADABLE = frozenset("%[]^|\\")
"""Characters of a folder's name that delta-rs or DuckDB decode, or refuse with a panic (tried one by one)."""


@dataclass(frozen=True, slots=True)
class Locations:
    """Addresses below one lake: `root` is an absolute folder or s3://bucket/prefix, without a final slash."""

    root: str

    @property
    def is_s3(self) -> bool:
        return self.root.startswith("s3://")

    @property
    def bucket(self) -> str:
        """The bucket of a lake in S3."""
        return urlsplit(self.root).netloc

    @property
    def prefix(self) -> str:
        """The key prefix of a lake in S3, without slashes around it."""
        return urlsplit(self.root).path.strip("/")

    def layer(self, layer: str) -> str:
        """Address of one layer's folder."""
        return f"{self.root}/{layer}"

    def table(self, name: str) -> str:
        """Address of the table `<layer>.<table>`."""
        layer, _, table = name.partition(".")
        if layer not in LAYERS or not table:
            raise BadLocation(name, f"tables are named <layer>.<table>, with a layer of {', '.join(LAYERS)}")
        return f"{self.root}/{layer}/{table}"


def locations(settings: LakeSettings) -> Locations:
    """The addresses of the lake that the settings name."""
    uri = settings.uri.strip()
    if uri.startswith(("s3://", "s3a://")):
        parts = urlsplit(uri)
        if not parts.netloc:
            raise BadLocation(uri, "there is no bucket in it")
        return Locations(f"s3://{parts.netloc}{parts.path}".rstrip("/"))
    if uri.startswith("file://"):
        uri = uri.removeprefix("file://")
    elif "://" in uri:
        raise BadLocation(uri, "only folders and s3:// are known")
    if not uri:
        raise BadLocation(uri, "it is empty")
    path = str(Path(uri).expanduser().resolve())
    if set(path) & UNREADABLE:
        named = " ".join(sorted(UNREADABLE))
        raise BadLocation(uri, f"a folder's name with any of {named} is not read alike by all clients")
    return Locations(path)
