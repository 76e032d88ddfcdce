"""What the images are built of, built here: the steps of the Dockerfile that has all, on the files that
Docker would be sent, and what comes of them used without this checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "infra" / "images"
UV = Path(sys.executable).parent / "uv"
DATA_ENDINGS = (".sql", ".yml", ".yaml")
DATA_FOLDERS = ("serving/page/dist/", "simulate/data/")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def build_steps(name: str) -> list[str]:
    """The commands of a Dockerfile's first stage."""
    stage = (IMAGES / f"{name}.Dockerfile").read_text().split("\nFROM ")[1]
    return re.findall(r"^RUN (.+)$", stage.replace("\\\n", " "), re.MULTILINE)


@dataclass(frozen=True)
class Image:
    """What was built."""

    folder: Path

    def run(self, *words: str) -> str:
        """A program of the image, where nothing of this checkout is."""
        done = subprocess.run(
            [self.folder / "venv" / "bin" / words[0], *words[1:]],
            cwd=self.folder / "elsewhere",
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder / "elsewhere")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The build stage of the image of Dagster. Locked packages are installed by uv, which has them; all else
    is done as it stands there."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "src"
    source.mkdir()
    (folder / "elsewhere").mkdir()
    for name in re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE):
        place = source / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy(ROOT / name, place)
    installing = f"{UV} pip install --quiet --python /opt/venv/bin/python --require-hashes"
    for step in build_steps("dagster"):
        command = step.replace("/opt/venv/bin/pip install --require-hashes", installing)
        command = command.replace("python -m venv /opt/venv", f"{sys.executable} -m venv /opt/venv")
        command = command.replace("/opt/venv", str(folder / "venv")).replace(
            "/wheels", str(folder / "wheels")
        )
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "UV_CACHE_DIR") if name in os.environ}
        done = subprocess.run(
            ["/bin/sh", "-ec", command],
            cwd=source,
            env={**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    shutil.rmtree(source)
    return Image(folder)


def test_the_image_of_everything_else_is_built_by_the_same_steps() -> None:
    """But for Dagster's memory: what is shown of the one is shown of both."""
    without = [
        re.sub(r"\s+&& /opt/venv/bin/pip install \S+ \S+ -r requirements-dagster.txt", "", step)
        for step in build_steps("dagster")
    ]
    assert without == build_steps("fleetlake")


def test_the_wheel_has_every_file_that_is_no_python(image: Image) -> None:
    """SQL, YAML, the page, recordings: as the repository has them."""
    (wheel,) = (image.folder / "wheels").glob("fleetlake-*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    packages = [path.parent.name for path in ROOT.glob("*/__init__.py")]
    listed = subprocess.run(
        ["git", "ls-files", *packages], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    files = [name for name in listed if name.endswith(DATA_ENDINGS) or name.startswith(DATA_FOLDERS)]
    assert len(files) > 50
    assert {"contracts/catalog.yml", "orchestration/dagster.yaml", "serving/page/dist/index.html"} <= inside
    assert set(files) <= inside
    assert not [name for name in inside if name.startswith(("tests/", "infra/", "benchmarks/"))]


def test_programs_run_without_the_checkout(image: Image) -> None:
    """The entry point, the health check, contracts and models from the wheel, and Dagster's programs."""
    assert image.run("fleetlake", "--version").startswith("fleetlake ")
    assert "sensor" in image.run("fleetlake", "contracts", "list")
    simulated = json.loads(image.run("fleetlake", "simulate", "--count", "50", "--rate", "0", "--dry-run"))
    assert simulated["total"]["sent"] == 50
    found = image.run(
        "python",
        "-c",
        "import fleetlake.probe, dagster_postgres, serving.page_files, fleetlake.dagster_code as code\n"
        "print(fleetlake.probe.__file__, len(code.defs.assets), len(serving.page_files.page_paths()))",
    ).split()
    assert found[0].startswith(str(image.folder))
    assert all(int(number) > 3 for number in found[1:])
    assert "dagster-webserver" in image.run("dagster-webserver", "--help")
    assert "liveness-check" in image.run("dagster-daemon", "--help")


def test_the_image_has_nothing_to_install_with(image: Image) -> None:
    """Neither pip nor what builds packages."""
    programs = {path.name for path in (image.folder / "venv" / "bin").iterdir()}
    assert not programs & {"pip", "pip3"}
    assert "fleetlake" in programs
