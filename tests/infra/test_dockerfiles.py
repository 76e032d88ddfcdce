"""The images: built from the lock, nobody's root, and sent nothing of this checkout but what they need."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "infra" / "images").glob("*.Dockerfile"))
PINS = re.compile(r"^([a-z0-9._-]+)(?:\[[\w,]+\])?==(\S+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Versions by package, of a lock."""
    return dict(PINS.findall((ROOT / name).read_text()))


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_an_image_is_pinned_confined_and_complete(dockerfile: Path) -> None:
    """Its base is an argument with a version, its last user is not root, and what it copies exists and is
    sent to the builder."""
    text = dockerfile.read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert all(re.fullmatch(r"\$\{\w+_IMAGE\}", base) for base in bases)
    users = re.findall(r"^USER (\S+)", text, re.MULTILINE)
    assert not users[-1].startswith(("0", "root"))
    sent = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source == "." or source in sent, source
    for installing in re.findall(r"pip install (.+?)(?: \\)?$", text, re.MULTILINE):
        assert "--require-hashes" in installing or "--no-index" in installing


def test_the_images_have_the_versions_that_were_tested() -> None:
    """Their locks are parts of the one that the tests run on."""
    tested = pins("requirements.txt")
    runtime = pins("requirements-runtime.txt")
    assert runtime.items() <= tested.items()
    assert {"deltalake", "duckdb", "confluent-kafka", "dagster"} <= runtime.keys()
    assert not {"pytest", "mypy", "noida-db", "secantusdb", "moto"} & runtime.keys()
    metabase = pins("infra/images/requirements-metabase.txt")
    assert len(metabase) == 4
    assert metabase.items() <= tested.items()
    assert metabase["duckdb-extension-delta"] == tested["duckdb"]


def test_the_locks_are_as_pyproject_wants_them() -> None:
    """Of what it names by an exact version."""
    project = (ROOT / "pyproject.toml").read_text()
    (wanted,) = re.findall(r'"dagster-postgres==([\d.]+)"', project)
    assert pins("requirements-dagster.txt")["dagster-postgres"] == wanted


def test_packages_and_data_of_the_wheel_are_sent_to_the_builder() -> None:
    """Every package that setuptools is told to find."""
    (named,) = re.findall(r"^include = \[(.+)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    sent = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    packages = {name.removesuffix("*") for name in re.findall(r'"(\w+\*)"', named)}
    assert len(packages) == 9
    assert packages <= sent
    assert {"pyproject.toml", "README.md", "LICENSE"} <= sent
