"""The bill of materials is the lock's."""

import re

from infra.security import sbom

LOCK = """\
# a comment
alembic==1.20.1 \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
    # via dagster
Ruamel_YAML.x==0.1 ; python_full_version < '3.12' \\
    --hash=sha256:{c}
""".format(a="a" * 64, b="b" * 64, c="c" * 64)


def test_every_pin_has_its_version_its_hashes_and_where_it_counts() -> None:
    """Named as package URLs are, whatever the lock's spelling."""
    first, second = sbom.components(LOCK)
    assert first["purl"] == "pkg:pypi/alembic@1.20.1"
    hashes = [each["content"][0] for each in first["externalReferences"][0]["hashes"]]
    assert hashes == ["a", "b"]
    assert second["purl"] == "pkg:pypi/ruamel-yaml-x@0.1"
    assert second["properties"][0]["value"] == "python_full_version < '3.12'"


def test_the_projects_own_locks_are_in_it_whole() -> None:
    """No pin is passed over, none is without a hash; the same locks give the same document."""
    locks = [(sbom.ROOT / name).read_text() for name in sbom.LOCKS]
    found = sbom.document(locks, "1")
    pins = {pin for lock in locks for pin in re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE)}
    assert {(each["name"], each["version"]) for each in found["components"]} == {
        (re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in pins
    }
    assert all(each["externalReferences"][0]["hashes"] for each in found["components"])
    assert found == sbom.document(locks, "1")
