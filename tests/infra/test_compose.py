"""docker-compose.yml: Compose takes it with every choice of profiles, and it keeps its promises: pinned
images, nothing published but user interfaces on this host, no rights beyond need, time to stop. No engine has
run it here."""

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fleetlake.settings import DEFAULT_SERVICES_DIR, Settings
from fleetlake.stack.kafka_node import Cluster, Node
from infra.compose_file import (
    ComposeError,
    Service,
    chosen,
    filled,
    in_order,
    load,
    read_variables,
    seconds,
)
from infra.make_env import main, write
from ingest.settings import IngestSettings
from tests.real_services import REQUIRED

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
READER = DEFAULT_SERVICES_DIR / "compose" / "compose-config"
PROFILES = ("core", "core-rustfs", "analytics", "monitoring", "simulate")
PUBLISHED = {"api", "dagster-webserver", "metabase", "prometheus", "alertmanager", "grafana"}
ROOT_IN_CONTAINER = {"minio"}
"""Why is said beside it."""


@pytest.fixture(scope="module")
def env_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make env` wrote."""
    folder = tmp_path_factory.mktemp("env")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def services(env_folder: Path) -> dict[str, Service]:
    """All of the file."""
    return load(FILE, read_variables(env_folder / ".env"))


def as_compose_reads_it(env_file: Path, profiles: tuple[str, ...]) -> Mapping[str, Any]:
    """By Docker's own reader, or by its library, which `make compose-config` builds."""
    if READER.exists():
        command = [str(READER), "-env-file", str(env_file), "-profiles", ",".join(profiles), str(FILE)]
    else:
        chosen_profiles = [f"--profile={profile}" for profile in profiles]
        command = ["docker", "compose", "--file", str(FILE), "--env-file", str(env_file), *chosen_profiles]
        command += ["config", "--format", "json"]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def compose(pytestconfig: pytest.Config) -> None:
    """Skips where nothing reads compose files."""
    has_plugin = (
        shutil.which("docker")
        and not subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    )
    if not (READER.exists() or has_plugin):
        assert "compose" not in pytestconfig.stash[REQUIRED], "run `make compose-config`"
        pytest.skip("neither docker compose nor `make compose-config`")


CHOICES = [choice for count in range(len(PROFILES) + 1) for choice in itertools.combinations(PROFILES, count)]


@pytest.mark.usefixtures("compose")
def test_compose_takes_every_choice_of_profiles(env_folder: Path) -> None:
    """And starts the services that our reader says."""
    known = load(FILE, read_variables(env_folder / ".env"))
    for choice in CHOICES:
        theirs = as_compose_reads_it(env_folder / ".env", choice)
        assert set(theirs["services"] or {}) == set(chosen(known, choice)), choice
        in_order(chosen(known, choice))


@pytest.mark.usefixtures("compose")
def test_our_reader_reads_what_compose_reads(env_folder: Path, services: dict[str, Service]) -> None:
    """Commands, environments, checks, mounts, times and dependencies: what the rehearsal runs."""
    theirs = as_compose_reads_it(env_folder / ".env", PROFILES)["services"]
    assert theirs.keys() == services.keys()
    for name, service in services.items():
        read = theirs[name]
        assert service.command == (read.get("command") or [])
        assert service.environment == (read.get("environment") or {})
        assert service.health.get("test") == (read.get("healthcheck") or {}).get("test")
        assert service.grace_s == seconds(read.get("stop_grace_period", "10s"))
        assert {each.service: (each.condition, each.is_required) for each in service.depends_on} == {
            dependency: (given["condition"], given["required"])
            for dependency, given in (read.get("depends_on") or {}).items()
        }
        targets = [*read.get("volumes", ()), *(read.get("secrets") or ())]
        assert len(service.mounts) == len(targets), name


def test_every_service_is_confined(services: dict[str, Service]) -> None:
    """A user of its own, nothing to write to but volumes, no capability, limits, a check, time to stop."""
    for name, service in services.items():
        values = service.values
        assert values["read_only"] is True, name
        assert values["cap_drop"] == ["ALL"], name
        assert values["security_opt"] == ["no-new-privileges:true"], name
        assert values["restart"] in ("unless-stopped", "on-failure:5"), name
        assert (service.user.partition(":")[0] == "0") == (name in ROOT_IN_CONTAINER), name
        assert set(values["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name
        assert service.grace_s >= 30, name
        is_ever_asked = name not in ("init", "simulate")
        assert bool(service.health) == is_ever_asked, name


def test_only_user_interfaces_are_published_and_only_on_this_host(services: dict[str, Service]) -> None:
    """Everybody else is reached inside only, and reaches nothing outside; webhooks are alerts' business."""
    for name, service in services.items():
        ports = [str(port) for port in service.values.get("ports", ())]
        assert bool(ports) == (name in PUBLISHED), name
        assert all(port.startswith("127.0.0.1:") for port in ports), name
        networks = set(service.values["networks"])
        assert networks == ({"inside", "outside"} if name in PUBLISHED | {"alerts"} else {"inside"}), name
    content = YAML(typ="safe").load(FILE.read_text())
    assert content["networks"]["inside"] == {"internal": True}


def test_images_are_pinned_in_one_place(services: dict[str, Service]) -> None:
    """None is `latest`, and the Dockerfiles' defaults are those of the file."""
    content = YAML(typ="safe").load(FILE.read_text())
    versions = content["x-images"]
    for name, service in services.items():
        image = str(service.values["image"])
        assert re.search(r":(RELEASE\.|v?\d)", image), name
        assert service.is_ours or image in versions.values() or service.values.get("build"), name
    for dockerfile in (ROOT / "infra" / "images").glob("*.Dockerfile"):
        for argument, image in re.findall(r"^ARG (\w+)_IMAGE=(.+)$", dockerfile.read_text(), re.MULTILINE):
            assert image == versions[argument.lower()], dockerfile.name


def test_a_stop_leaves_time_for_what_a_process_finishes(services: dict[str, Service]) -> None:
    """Longer than what it gives itself, and than handing over its partitions takes."""
    for name in ("history", "state", "routes", "alerts"):
        own = float(services[name].environment["FLEETLAKE_INGEST__SHUTDOWN_SECONDS"])
        assert own == IngestSettings().shutdown_seconds
        assert services[name].grace_s > 2 * own, name


def test_every_variable_is_a_setting(services: dict[str, Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """With values that it takes; numbers of replicas are found, not set."""
    for name, service in services.items():
        if not service.is_ours:
            continue
        for variable in list(os.environ):
            if variable.startswith("FLEETLAKE_"):
                monkeypatch.delenv(variable)
        for variable, value in service.environment.items():
            monkeypatch.setenv(variable, value)
        settings = Settings()
        assert settings.ingest.slot is None, name
        if "FLEETLAKE_INGEST__METRICS_PORT" in service.environment:
            run = str(settings.ingest.runtime_dir)
            assert f"leases:{run}" in service.values["volumes"], name


def test_kafka_is_set_as_in_the_local_stack(services: dict[str, Service], tmp_path: Path) -> None:
    """But for addresses and folders: what is proven on the one holds for the other."""
    node = Node(1, 9092, 9093, tmp_path)
    elsewhere = {
        "listeners",
        "advertised.listeners",
        "log.dirs",
        "controller.quorum.voters",
    }
    for key, value in Cluster([node]).configuration(node).items():
        variable = "KAFKA_" + key.upper().replace(".", "_")
        found = services["kafka"].environment[variable]
        assert key in elsewhere or found == str(value), key


def test_dagster_is_set_as_in_the_local_stack() -> None:
    """But for where its memory is."""
    yaml = YAML(typ="safe")
    ours = yaml.load((ROOT / "orchestration" / "dagster.yaml").read_text())
    theirs = yaml.load((ROOT / "infra" / "dagster" / "dagster.yaml").read_text())
    assert theirs.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    assert theirs == ours


def test_the_environment_file_has_strong_secrets_of_its_own_and_is_never_overwritten(
    env_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For its owner alone; a second run says so in one line and changes nothing."""
    assert main(["--folder", str(tmp_path)]) == 0
    first, other = (read_variables(folder / ".env") for folder in (tmp_path, env_folder))
    example = read_variables(ROOT / ".env.example")
    made = [name for name, value in example.items() if not value]
    assert len(made) > 8
    assert len({first[name] for name in made} | {other[name] for name in made}) == 2 * len(made)
    assert all(len(first[name]) >= 22 for name in made)
    assert {name: first[name] for name in example if name not in made} == {
        name: value for name, value in example.items() if value
    }
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".secrets").stat().st_mode & 0o777 == 0o700

    before = (tmp_path / ".env").read_text()
    capsys.readouterr()
    assert main(["--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / ".env").read_text() == before


def test_every_variable_of_the_file_is_in_the_example() -> None:
    """And the example has no other; those of Fleetlake itself are in docs/settings.md."""
    text = re.sub(r"#.*", "", FILE.read_text())
    used = {name for name in re.findall(r"\$\{(\w+)", text) if not name.startswith("FLEETLAKE_")}
    known = set(read_variables(ROOT / ".env.example"))
    only_for_people = {"COMPOSE_PROFILES", "OPERATOR_API_KEY", "DEVICES_API_KEY"}
    own_keys_of_metabase = {"METABASE_S3_USER", "METABASE_S3_PASSWORD"}
    assert used - own_keys_of_metabase == known - only_for_people


def test_without_secrets_compose_says_what_to_do() -> None:
    """No default password exists."""
    with pytest.raises(ComposeError, match="run make env"):
        load(FILE, {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a $$ b", "a $ b"),
        ("${SET}-$SET", "x-x"),
        ("${UNSET:-d}", "d"),
        ("${UNSET:-${SET:?no}}/e", "x/e"),
        ("${UNSET}", ""),
    ],
)
def test_variables_are_filled_in(text: str, value: str) -> None:
    """The forms that the file uses."""
    assert filled(text, {"SET": "x", "UNSET": ""}) == value
