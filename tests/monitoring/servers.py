"""Prometheus and Alertmanager of a test's own, from what `make prometheus` fetched."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from fleetlake.settings import DEFAULT_SERVICES_DIR
from fleetlake.stack.server import LOOPBACK, Server, free_port, owns_port, spawn
from tests.real_services import REQUIRED

INFRA = Path(__file__).parent.parent.parent / "infra"
BUILT = DEFAULT_SERVICES_DIR / "prometheus"
START_SECONDS = 60.0

Config = Mapping[str, Any]


def need_prometheus(config: pytest.Config) -> None:
    """Skips the test where it was not fetched, or fails where FLEETLAKE_REQUIRE=prometheus."""
    if not (BUILT / ".built").is_file():
        assert "prometheus" not in config.stash[REQUIRED], f"{BUILT} is missing: make prometheus"
        pytest.skip("Prometheus is not there: make prometheus")


def read(file: str) -> Any:
    """A YAML file below infra/."""
    return YAML(typ="safe").load((INFRA / file).read_text())


def write(config: Any, file: Path) -> Path:
    """JSON, which is YAML."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(config))
    return file


def checked(tool: str, *arguments: str | Path, cwd: Path | None = None) -> str:
    """What promtool or amtool prints when it finds nothing wrong."""
    done = subprocess.run([BUILT / tool, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def prometheus(folder: Path, config: Config) -> Iterator[str]:
    """Its address, once it answers. Rule files lie beside its configuration."""
    file, port = write(config, folder / "prometheus.yml"), free_port()
    arguments = [f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn"]
    with _running("prometheus", arguments, folder, port) as address:
        yield address


@contextmanager
def alertmanager(folder: Path, config: Config) -> Iterator[str]:
    """Its address, once it answers."""
    file, port = write(config, folder / "alertmanager.yml"), free_port()
    (folder / "share").symlink_to(BUILT / "share")
    arguments = [f"--config.file={file}", f"--storage.path={folder / 'data'}", "--cluster.listen-address="]
    with _running("alertmanager", arguments, folder, port) as address:
        yield address


@contextmanager
def _running(name: str, arguments: Sequence[str], folder: Path, port: int) -> Iterator[str]:
    command = [str(BUILT / name), *arguments, f"--web.listen-address={LOOPBACK}:{port}"]
    server = spawn(name, command, folder, port, folder / f"{name}.log", with_parent=True)
    try:
        server.wait_ready(_is_ready, START_SECONDS)
        yield f"http://{server.address}"
    finally:
        server.stop(10.0)


def _is_ready(server: Server) -> bool:
    if not owns_port(server):
        return False
    try:
        return httpx.get(f"http://{server.address}/-/ready", timeout=5.0).is_success
    except httpx.HTTPError:
        return False


def samples(address: str, query: str) -> list[dict[str, Any]]:
    """What an instant query finds: `metric` has the labels, `value` the time and the value as a text."""
    answer = httpx.get(f"{address}/api/v1/query", params={"query": query}, timeout=30.0).json()
    assert answer["status"] == "success", f"{query}: {answer}"
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found
