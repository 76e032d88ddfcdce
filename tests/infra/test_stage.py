"""The surroundings of a rehearsed container: what the file says of addresses and paths, meant on this
machine."""

from pathlib import Path

import pytest

from infra.compose_file import ComposeError, Service, chosen, in_order, load, read_variables
from infra.make_env import write
from infra.rehearsal.stage import Stage

ROOT = Path(__file__).parents[2]
SERVERS = {"kafka:9092": "127.0.0.1:21001", "minio:9000": "127.0.0.1:21002", "mongo:27017": "127.0.0.1:21003",
           "dagster-db:5432": "127.0.0.1:21004"}  # fmt: skip


@pytest.fixture
def services(tmp_path: Path) -> dict[str, Service]:
    """What the rehearsal runs, in a folder that has its secrets."""
    write(tmp_path)
    return chosen(load(ROOT / "docker-compose.yml", read_variables(tmp_path / ".env")), ["core", "simulate"])


@pytest.fixture
def stage(services: dict[str, Service], tmp_path: Path) -> Stage:
    made = Stage(tmp_path, ROOT, SERVERS, {"replicaSet=rs0": "replicaSet=one"})
    for name in services:
        made.address(name)
    return made


def test_every_replica_has_an_address_and_files_of_its_own(
    services: dict[str, Service], stage: Stage, tmp_path: Path
) -> None:
    """But for the volumes: these they share, as they do on a host."""
    first, third = (stage.environment(services["history"], replica) for replica in (1, 3))
    assert first["FLEETLAKE_INGEST__METRICS_HOST"] == stage.address("history", 1)
    assert third["FLEETLAKE_INGEST__METRICS_HOST"] == stage.address("history", 3)
    assert first["TMPDIR"] != third["TMPDIR"]
    run = str(tmp_path / "volumes" / "leases")
    assert first["FLEETLAKE_INGEST__RUNTIME_DIR"] == third["FLEETLAKE_INGEST__RUNTIME_DIR"] == run
    check = stage.command(services["history"], 3, services["history"].health["test"][1:])
    assert check[-1] == f"{stage.address('history', 3)}:9100/metrics"


def test_servers_of_the_file_are_those_of_this_machine(services: dict[str, Service], stage: Stage) -> None:
    """No name of a service is left in what any of ours is told."""
    for service in services.values():
        if service.is_ours:
            told = [*stage.environment(service, 1).values(), *stage.command(service, 1, service.command)]
            for name in services:
                assert not [text for text in told if f"//{name}:" in text or f"@{name}:" in text], (
                    service.name
                )
    state = stage.environment(services["state"], 1)
    assert state["FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS"] == "127.0.0.1:21001"
    assert state["FLEETLAKE_LAKE__S3__ENDPOINT_URL"] == "http://127.0.0.1:21002"
    assert state["FLEETLAKE_MONGO__URI"].endswith("@127.0.0.1:21003/?authSource=fleetlake&replicaSet=one")
    assert stage.command(services["state"], 1, services["state"].command)[-2:] == ["ingest", "state"]


def test_files_are_where_a_container_finds_them(services: dict[str, Service], stage: Stage) -> None:
    """Of the project, of `make env`, and below a volume; with addresses of this machine in them."""
    stage.furnish(services["dagster-daemon"], 1)
    daemon = services["dagster-daemon"]
    workspace = stage.path(daemon, 1, "/etc/dagster/workspace.yaml")
    assert f"host: {stage.address('dagster-code')}, port: 4000" in workspace.read_text()
    home = Path(stage.environment(daemon, 1)["DAGSTER_HOME"])
    assert "DAGSTER_POSTGRES_URL" in (home / "dagster.yaml").read_text()

    stage.furnish(services["init"], 1)
    keys = Path(stage.command(services["init"], 1, services["init"].command)[-1])
    assert keys.read_text() == (stage.folder / ".secrets" / "api_keys").read_text()
    stage.furnish(services["alerts"], 1)
    assert Path(stage.environment(services["alerts"], 1)["FLEETLAKE_ALERTS__RULES"]).is_file()


def test_services_start_behind_what_they_need(services: dict[str, Service]) -> None:
    """And a choice that leaves something out that is needed is refused, as Compose does."""
    names = [service.name for service in in_order(services)]
    for name in ("history", "state", "routes", "alerts", "gateway", "api", "dagster-code", "simulate"):
        assert names.index("init") < names.index(name)
    assert names.index("dagster-webserver") < names.index("dagster-daemon")
    with pytest.raises(ComposeError, match="init depends on kafka, which no chosen profile starts"):
        in_order({name: service for name, service in services.items() if name != "kafka"})
