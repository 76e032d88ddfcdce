"""MinIO on loopback without Docker: an S3 store whose objects lie in a local folder. Its credential is made
at the first start, kept in a file that only its owner can read, and never shown."""

import json
import os
import secrets
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from fleetlake.settings import STORE_KEYS
from fleetlake.stack.server import LOOPBACK, Server, owns_port, spawn
from fleetlake.stack.services import Services

READY_TIMEOUT_SECONDS = 1.0
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Keys:
    """An S3 credential."""

    access_key_id: str
    secret_access_key: str


def own_keys(folder: Path) -> Path:
    """The file of the store's credential, made where it is missing."""
    file = folder / STORE_KEYS.name
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            json.dump(asdict(Keys("fleetlake", secrets.token_urlsafe(32))), opened)
        os.replace(draft, file)
    return file


def read_keys(file: Path) -> Keys:
    """The credential of `own_keys`."""
    return Keys(**json.loads(file.read_text()))


def spawn_minio(
    services: Services, folder: Path, port: int, log: Path, *, with_parent: bool = False
) -> Server:
    """Starts the store without waiting; its objects lie in `folder`/data."""
    keys = read_keys(own_keys(folder))
    address = f"{LOOPBACK}:{port}"
    return spawn(
        "minio",
        [str(services.minio), "server", "--quiet", "--address", address, str(folder / "data")],
        folder,
        port,
        log,
        stop_seconds=lambda: STOP_SECONDS,
        environment={
            "MINIO_ROOT_USER": keys.access_key_id,
            "MINIO_ROOT_PASSWORD": keys.secret_access_key,
            "MINIO_BROWSER": "off",  # its console would listen on every address
            "MINIO_UPDATE": "off",
        },
        with_parent=with_parent,
    )


def answers_s3(server: Server) -> bool:
    """Whether the store says that it is ready."""
    if not owns_port(server):
        return False
    try:
        url = f"http://{server.address}/minio/health/ready"
        with urllib.request.urlopen(url, timeout=READY_TIMEOUT_SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
