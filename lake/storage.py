"""The one credential for the lake, in the form each client wants: delta-rs, Arrow, DuckDB and boto3.
Readiness and the bucket are checked here too, so that a missing store is one readable error, in time."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.exceptions
from botocore.config import Config
from pyarrow.fs import (
    AwsStandardS3RetryStrategy,
    FileSystem,
    LocalFileSystem,
    S3FileSystem,
    SubTreeFileSystem,
)

from lake.errors import (
    AccessDenied,
    BadLocation,
    ConditionalPutUnknown,
    StoreUnavailable,
    Terminal,
    Transient,
)
from lake.locations import Locations, locations
from lake.object_probe import probe_object
from lake.settings import LakeSettings, S3Settings

RETRY_SECONDS = 0.5
FILE_ATTEMPTS = 4
FILE_SILENCE_SECONDS = 20.0
"""Of each request of a data file: how often it is tried, and how long the store may be silent. Where all
fail, all since the last commit is read again; until then whoever wants to drop the file has to wait."""

RETRIES = {"retry_timeout": "15s", "backoff_config.max_backoff": "3s"}
"""Of each request of delta-rs, which cannot be interrupted: whoever waits for longer asks again and can be
called off between. Its own default goes on for three minutes."""

STORE = "the lake's store"
DENIED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "401"})
EXISTS = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


@dataclass(frozen=True, slots=True)
class Storage:
    """A lake's addresses and the credential that opens them."""

    locations: Locations
    s3: S3Settings

    def table(self, name: str) -> str:
        """Address of the table `<layer>.<table>`."""
        return self.locations.table(name)

    def options(self) -> dict[str, str]:
        """`storage_options` of delta-rs; empty for a local folder.

        Commits use a conditional put (`If-None-Match`), so two writers cannot both create one version; the
        store must know it, as AWS, MinIO and moto do: `check_bucket`.
        """
        if not self.locations.is_s3:
            return {}
        options = {
            "aws_region": self.s3.region,
            "aws_conditional_put": "etag",
            "aws_virtual_hosted_style_request": str(not self.s3.path_style).lower(),
            "timeout": f"{self.s3.request_timeout_s:g}s",
            **RETRIES,
        }
        if self.s3.endpoint_url is not None:
            options["aws_endpoint_url"] = self.s3.endpoint_url
            options["aws_allow_http"] = str(_is_plain_http(self.s3.endpoint_url)).lower()
        for name, value in _secrets(self.s3).items():
            options[f"aws_{name}"] = value
        return options

    def files(self, table: str) -> FileSystem:
        """The folder of the table `<layer>.<table>`, for files that a commit adds.

        Arrow's own file systems: those of delta-rs hold Python's lock while the store is asked, so a store
        that hangs would stop every thread of the process, and its signals.
        """
        root = self.locations.table(table)
        if not self.locations.is_s3:
            return SubTreeFileSystem(root, LocalFileSystem())
        return SubTreeFileSystem(root.removeprefix("s3://"), self._arrow())

    def _arrow(self) -> S3FileSystem:
        address: dict[str, Any] = {}
        if self.s3.endpoint_url is not None:
            split = urlsplit(self.s3.endpoint_url)
            address = {"endpoint_override": split.netloc, "scheme": split.scheme}
        names = {"access_key_id": "access_key", "secret_access_key": "secret_key"}
        return S3FileSystem(
            region=self.s3.region,
            connect_timeout=self._connect_timeout_s,
            request_timeout=min(FILE_SILENCE_SECONDS, self.s3.request_timeout_s),
            force_virtual_addressing=not self.s3.path_style,
            background_writes=False,  # parts on their way to a slow store would be held without a bound
            allow_delayed_open=True,  # a small file is one request
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=FILE_ATTEMPTS),
            **address,
            **{names.get(name, name): value for name, value in _secrets(self.s3).items()},
        )

    @property
    def _connect_timeout_s(self) -> float:
        return min(5.0, self.s3.request_timeout_s)

    def duckdb_secret(self, *, names_keys: bool = True) -> str | None:
        """The statement that gives DuckDB the credential, for this lake's addresses only; None if local.

        One that does not name keys makes DuckDB look for them in the environment of its process, if there are
        any to name.
        """
        if not self.locations.is_s3:
            return None
        fields: dict[str, str] = {"region": self.s3.region, "scope": f"s3://{self.locations.bucket}"}
        fields["url_style"] = "path" if self.s3.path_style else "vhost"
        use_ssl = True
        if self.s3.endpoint_url is not None:
            fields["endpoint"] = urlsplit(self.s3.endpoint_url).netloc
            use_ssl = not _is_plain_http(self.s3.endpoint_url)
        names = {"access_key_id": "key_id", "secret_access_key": "secret", "session_token": "session_token"}
        keys = {names[name]: value for name, value in _secrets(self.s3).items()}
        if names_keys:
            fields |= keys
        elif keys:
            fields["chain"] = "env"
        provider = "config" if "key_id" in fields else "credential_chain"
        values = "".join(f", {name} {_quoted(value)}" for name, value in fields.items())
        return f"create or replace secret lake (type s3, provider {provider}, use_ssl {use_ssl}{values})"

    def client(self) -> Any:
        """A boto3 client of the bucket."""
        keys = {f"aws_{name}": value for name, value in _secrets(self.s3).items()}
        return boto3.client(
            "s3",
            endpoint_url=self.s3.endpoint_url,
            region_name=self.s3.region,
            config=Config(
                connect_timeout=self._connect_timeout_s,
                read_timeout=self.s3.request_timeout_s,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path" if self.s3.path_style else "virtual"},
            ),
            **keys,
        )


def storage(settings: LakeSettings) -> Storage:
    """The lake that the settings name. Opens nothing."""
    return Storage(locations(settings), settings.s3)


def ensure_root(store: Storage, *, writes: bool = True) -> None:
    """Creates the lake's folder or bucket where it is missing. Idempotent.

    Who only reads needs no right to write in a folder, and makes none: where it is missing are no tables.
    """
    if store.locations.is_s3:
        _ensure_bucket(store)
    elif writes:
        _ensure_folder(Path(store.locations.root))
    else:
        _require_readable(Path(store.locations.root))


def check_bucket(store: Storage) -> None:
    """Returns when the bucket takes an object, does not let it be made a second time, and gives it back;
    raises what is wrong otherwise."""
    try:
        probed = probe_object(store.client(), store.locations.bucket, store.locations.prefix)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise translated(store, error) from error
    if not probed.keeps_what_is_there:
        raise ConditionalPutUnknown(_address(store))
    if not probed.gives_back:
        raise StoreUnavailable(STORE, store.locations.root, "an object came back with other contents")


def wait_ready(
    settings: LakeSettings,
    *,
    writes: bool = True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Storage:
    """The lake, once its folder or bucket exists and answers; StoreUnavailable after the deadline.

    A folder is made by who `writes`, and need not exist for others. For who `writes`, ConditionalPutUnknown
    at once where the store would let two writers undo each other.
    """
    store = storage(settings)
    deadline = clock() + settings.ready_timeout_s
    while True:
        try:
            ensure_root(store, writes=writes)
            if writes and store.locations.is_s3:
                check_bucket(store)
        except Transient:
            if clock() >= deadline:
                raise
            sleep(RETRY_SECONDS)
        else:
            return store


def _ensure_folder(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AccessDenied(STORE, str(root), error.strerror or str(error)) from error
    if not os.access(root, os.W_OK | os.X_OK):
        raise AccessDenied(STORE, str(root), "the folder is not writable")


def _require_readable(root: Path) -> None:
    if root.exists() and not os.access(root, os.R_OK | os.X_OK):
        raise AccessDenied(STORE, str(root), "the folder is not readable")


def _ensure_bucket(store: Storage) -> None:
    """Asks for what is below the lake's prefix: all that anybody needs the right to list."""
    client, bucket, prefix = store.client(), store.locations.bucket, store.locations.prefix
    try:
        client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/" if prefix else "", MaxKeys=1)
    except botocore.exceptions.ClientError as error:
        if _code(error) not in {"404", "NoSuchBucket"}:
            raise translated(store, error) from error
        _create_bucket(client, store)
    except botocore.exceptions.BotoCoreError as error:
        raise translated(store, error) from error


def _create_bucket(client: Any, store: Storage) -> None:
    region = store.s3.region
    extra = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        client.create_bucket(Bucket=store.locations.bucket, **extra)
    except botocore.exceptions.ClientError as error:
        if _code(error) not in EXISTS:
            raise translated(store, error) from error
    except botocore.exceptions.BotoCoreError as error:
        raise translated(store, error) from error


def no_key(store: Storage) -> AccessDenied:
    """Neither the settings nor the environment have a credential."""
    return AccessDenied(STORE, _address(store), "no access key is set (FLEETLAKE_LAKE__S3__ACCESS_KEY_ID)")


def translated(store: Storage, error: Exception) -> Transient | Terminal:
    """What an error of the S3 client means for the caller."""
    address = _address(store)
    if isinstance(error, botocore.exceptions.NoCredentialsError):
        return no_key(store)
    if isinstance(error, botocore.exceptions.ClientError):
        code = _code(error)
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in {"404", "NoSuchBucket"}:
            return BadLocation(store.locations.root, f"there is no bucket {store.locations.bucket}")
        problem = f"{code} for bucket {store.locations.bucket}"
        if code in DENIED or 400 <= status < 429:
            return AccessDenied(STORE, address, problem)
        return StoreUnavailable(STORE, address, problem)
    return StoreUnavailable(STORE, address, str(error))


def _address(store: Storage) -> str:
    return store.s3.endpoint_url or store.locations.root


def _code(error: botocore.exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _secrets(s3: S3Settings) -> dict[str, str]:
    values = {
        "access_key_id": s3.access_key_id,
        "secret_access_key": s3.secret_access_key and s3.secret_access_key.get_secret_value(),
        "session_token": s3.session_token and s3.session_token.get_secret_value(),
    }
    return {name: value for name, value in values.items() if value}


def _is_plain_http(url: str) -> bool:
    return urlsplit(url).scheme == "http"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
