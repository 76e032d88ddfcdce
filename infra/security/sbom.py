"""What Fleetlake is made of, as a CycloneDX document, from the lock files: every package with its version
and the hashes that an installation insists on. Needs no network, and nothing but Python.

    python infra/security/sbom.py > sbom.json

Beside it in an image are Debian's packages and Python itself: the image's own SBOM has those.
"""

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "requirements-spark.txt")
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\]+?))?\s*\\?$")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
SPEC_VERSION = "1.6"

Component = dict[str, Any]


def components(lock: str) -> Iterator[Component]:
    """One for each pin of a lock file, in its order."""
    found: Component | None = None
    for line in lock.splitlines():
        pin = PIN.match(line)
        if pin is not None:
            if found is not None:
                yield found
            found = _component(pin["name"], pin["version"], pin["marker"])
        elif found is not None and (digest := HASH.search(line)):
            found["externalReferences"][0]["hashes"].append({"alg": "SHA-256", "content": digest[1]})
    if found is not None:
        yield found


def document(locks: Sequence[str], version: str) -> dict[str, Any]:
    """The same for the same locks: its serial number is made of what is in it."""
    named = {each["bom-ref"]: each for lock in locks for each in components(lock)}
    parts = [named[name] for name in sorted(named)]
    whole = _component("fleetlake", version, None) | {"type": "application"}
    del whole["externalReferences"]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([whole, parts], sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": whole},
        "components": parts,
    }


def _component(name: str, version: str, marker: str | None) -> Component:
    normal = re.sub(r"[-_.]+", "-", name).lower()
    address = f"pkg:pypi/{normal}@{version}"
    made: Component = {
        "type": "library",
        "bom-ref": address,
        "name": normal,
        "version": version,
        "purl": address,
        "externalReferences": [{"type": "distribution", "url": address, "hashes": []}],
    }
    if marker:
        made["properties"] = [{"name": "fleetlake:where", "value": marker.strip()}]
    return made


def main() -> int:
    """The command; returns the exit code."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    locks = [(ROOT / name).read_text() for name in LOCKS]
    json.dump(document(locks, version), sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
