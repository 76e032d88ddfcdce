"""The passwords of every service, as variables for `docker compose --env-file`.

    python infra/security/passwords.py infra/security/passwords.env    # makes what is missing, changes nothing

One line a password: KAFKA_PASSWORD_HISTORY, STORE_SECRET_HISTORY, MONGO_PASSWORD_STATE, ... To change one,
delete its line, run this and `apply.py`, and start that service again.
"""

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from infra.security.rights import Rights, load_rights

KAFKA, STORE, MONGO = "KAFKA_PASSWORD", "STORE_SECRET", "MONGO_PASSWORD"
BYTES = 24


def variable(kind: str, service: str) -> str:
    """The name of one password."""
    return f"{kind}_{service.upper()}"


def wanted(rights: Rights) -> Iterator[str]:
    """The names of all."""
    for name, service in rights.services.items():
        if service.kafka is not None:
            yield variable(KAFKA, name)
        if service.store is not None:
            yield variable(STORE, name)
        if service.mongo or service.mongo_roles:
            yield variable(MONGO, name)


def read(file: Path) -> dict[str, str]:
    """What the file has; nothing where there is none."""
    lines = file.read_text().splitlines() if file.exists() else []
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def complete(file: Path, rights: Rights) -> dict[str, str]:
    """The file with a password for every name; those that it has stay. Only its owner can read it."""
    found = read(file)
    for name in wanted(rights):
        found.setdefault(name, secrets.token_urlsafe(BYTES))
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.writelines(f"{name}={value}\n" for name, value in found.items())
    os.replace(draft, file)
    return found


def main() -> int:
    """The command; returns the exit code."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    file = Path(sys.argv[1])
    before = read(file)
    after = complete(file, load_rights())
    print(f"{file}: {len(after)} passwords, {len(after.keys() - before.keys())} new")
    return 0


if __name__ == "__main__":
    sys.exit(main())
