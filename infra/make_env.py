"""Writes .env and .secrets for docker-compose.yml: `python infra/make_env.py`, or `make env`.

Every line of .env.example that ends with `=` gets a secret of its own. Nothing that is there is overwritten:
a new secret beside volumes with the former one would lock everybody out. Needs Python alone.
"""

import argparse
import base64
import os
import secrets
import sys
import uuid
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLE, ENV, SECRETS = ".env.example", ".env", ".secrets"
KEYS = {"OPERATOR_API_KEY": "admin", "DEVICES_API_KEY": "ingest", "GRAFANA_API_KEY": "read"}
"""The scope of each API key."""

KEYFILE_BYTES = 756
"""What MongoDB's documentation proposes, 1008 characters; 1024 are its limit."""


class ThereAlready(Exception):
    """What would be written exists."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is there already: its secrets are in use. Move it away to begin anew")


def main(arguments: list[str]) -> int:
    """The exit code; one line for what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT, help="where .env and .secrets are written")
    folder = parser.parse_args(arguments).folder
    try:
        write(folder)
    except (OSError, ThereAlready) as error:
        print(f"make env: {error}", file=sys.stderr)
        return 1
    print(f"wrote {folder / ENV} and {folder / SECRETS}: keep them, and keep them to yourself")
    return 0


def write(folder: Path, example: Path = ROOT / EXAMPLE) -> None:
    """Both, or neither where one of them exists."""
    values: dict[str, str] = {}
    lines = [_filled(line, values) for line in example.read_text().splitlines()]
    for path in (folder / ENV, folder / SECRETS):
        if path.exists():
            raise ThereAlready(path)
    metrics_key = api_key()
    keys = [(name.partition("_")[0].lower(), scope, values[name]) for name, scope in KEYS.items()]
    files = {
        "api_keys": "".join(f"{' '.join(key)}\n" for key in [*keys, ("metrics", "read", metrics_key)]),
        "metrics_key": metrics_key,
        "mongo_keyfile": base64.b64encode(secrets.token_bytes(KEYFILE_BYTES)).decode() + "\n",
    }
    (folder / SECRETS).mkdir(mode=0o700)
    for name, text in files.items():
        _create(folder / SECRETS / name, text, 0o644)  # for containers' users; the folder keeps people out
    _create(folder / ENV, "\n".join(lines) + "\n", 0o600)


def api_key() -> str:
    """As fleetlake/web/keys.py has them: an id, and 256 random bits."""
    return f"flk_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"


def cluster_id() -> str:
    """A random UUID as Kafka writes it; one that begins with a dash would pass for an option."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


def _filled(line: str, values: dict[str, str]) -> str:
    name, equals, value = line.partition("=")
    if line.startswith("#") or not equals or value:
        return line
    if name in KEYS:
        values[name] = api_key()
    elif name == "KAFKA_CLUSTER_ID":
        values[name] = cluster_id()
    else:
        values[name] = secrets.token_hex(32)  # it stands in addresses, where other characters mean something
    return f"{name}={values[name]}"


def _create(path: Path, text: str, mode: int) -> None:
    """Never somebody else's file, and never readable by more than `mode` says, however short."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)  # whatever the umask
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
