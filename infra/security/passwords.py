"""The passwords of every service, as variables for `docker compose --env-file`.

    python infra/security/passwords.py     # makes what is missing in .secrets/passwords.env, changes nothing

One line a password: KAFKA_PASSWORD_HISTORY, STORE_SECRET_HISTORY, MONGO_PASSWORD_STATE, ... To change one,
delete its line, run this and `apply.py`, and start that service again. `--shared` lets everybody read the
file, in a folder that only its owner may enter: so it can be mounted into a container.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from infra.security.rights import Rights, ServiceRights, load_rights

KAFKA, STORE, MONGO = "KAFKA_PASSWORD", "STORE_SECRET", "MONGO_PASSWORD"
BYTES = 24
FILE = Path(".secrets/passwords.env")


def variable(kind: str, service: str) -> str:
    """The name of one password."""
    return f"{kind}_{service.upper()}"


def wanted(rights: Rights) -> Iterator[str]:
    """The names of all."""
    for name, service in rights.services.items():
        yield from wanted_of(name, service)


def wanted_of(name: str, service: ServiceRights) -> Iterator[str]:
    """One for each server where the service has an account."""
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


def complete(file: Path, rights: Rights, *, is_shared: bool = False) -> dict[str, str]:
    """The file with a password for every name; those that it has stay."""
    found = read(file)
    for name in wanted(rights):
        found.setdefault(name, secrets.token_urlsafe(BYTES))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.parent.chmod(0o700)
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.writelines(f"{name}={value}\n" for name, value in found.items())
        os.fchmod(opened.fileno(), 0o644 if is_shared else 0o600)
    os.replace(draft, file)
    return found


def main() -> int:
    """The command; returns the exit code."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--file", type=Path, default=FILE)
    options.add_argument("--shared", action="store_true", help="whoever gets into its folder may read it")
    arguments = options.parse_args()
    file: Path = arguments.file
    before = read(file)
    after = complete(file, load_rights(), is_shared=arguments.shared)
    print(f"{file}: {len(after)} passwords, {len(after.keys() - before.keys())} new")
    return 0


if __name__ == "__main__":
    sys.exit(main())
