"""docker-compose.secure.yml gives each service what rights.yml has for it, and Kafka what was tried."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fleetlake.stack.kafka_security import KafkaSecurity
from infra.security import passwords
from infra.security.rights import load_rights

ROOT = Path(__file__).parents[2]
BASE = ROOT / "docker-compose.yml"
OVERLAY: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.secure.yml")
SERVICES: dict[str, dict[str, Any]] = OVERLAY["services"]
RIGHTS = load_rights().services
CONTAINERS = {"dagster": "dagster-code"}
"""Where a user's service has another name."""

PEOPLE = {"operator"}
MAKERS = {"rights", "rights-mongo"}
HERE = {"listeners", "advertised.listeners", "ssl.keystore.location", "ssl.truststore.location"}
"""What depends on where Kafka runs."""

USED = [name for name in RIGHTS if name not in PEOPLE]


def environment(user: str) -> dict[str, str]:
    found: dict[str, str] = SERVICES[CONTAINERS.get(user, user)]["environment"]
    return found


@pytest.mark.parametrize("user", USED)
def test_a_service_comes_as_its_own_user_and_as_nobody_else(user: str) -> None:
    """With its own passwords and certificate, to each server where it has an account, and to no other."""
    rights, given = RIGHTS[user], environment(user)
    named = {name for name in passwords.wanted(load_rights()) if any(name in str(v) for v in given.values())}
    assert named <= set(passwords.wanted_of(user, rights))
    if rights.kafka is not None:
        assert given["FLEETLAKE_KAFKA__SASL_USERNAME"] == user
        assert given["FLEETLAKE_KAFKA__SECURITY_PROTOCOL"] == "SASL_SSL"
        sources = {each["source"] for each in SERVICES[CONTAINERS.get(user, user)]["volumes"]}
        kinds = (f"{user}.crt", f"{user}.key", "ca.crt")
        assert sources == {f"./.secrets/certs/{name}" for name in kinds}
    if rights.store is not None:
        assert user in (given.get("FLEETLAKE_LAKE__S3__ACCESS_KEY_ID"), given.get("AWS_ACCESS_KEY_ID"))
    elif rights.kafka is not None:
        assert given["FLEETLAKE_LAKE__S3__ACCESS_KEY_ID"] == "none"
    if rights.mongo:
        assert given["FLEETLAKE_MONGO__URI"].startswith(f"mongodb://{user}:")
    elif user != "init" and rights.kafka is not None:
        assert "@" not in given["FLEETLAKE_MONGO__URI"]


def test_kafka_is_set_as_the_one_that_was_tried() -> None:
    """Option by option; only addresses and places differ."""
    tried = KafkaSecurity(Path("/certs"), 9094).configuration("", 9092, 9093)
    given = {option(name): value for name, value in SERVICES["kafka"]["environment"].items()}
    assert given.keys() == tried.keys()
    assert {name: given[name].replace("$$", "$") for name in given.keys() - HERE} == {
        name: str(tried[name]) for name in tried.keys() - HERE
    }


@pytest.mark.skipif(not BASE.exists(), reason="docker-compose.yml is not here yet")
def test_no_service_comes_as_a_root_user_of_anything() -> None:
    """Whatever docker-compose.yml gives to all is taken back, but from what makes users and topics."""
    base: dict[str, dict[str, Any]] = YAML(typ="safe").load(BASE)["services"]
    assert SERVICES.keys() - MAKERS <= base.keys()
    for name, service in base.items():
        over = SERVICES.get(name, {}).get("environment", {})
        given = {**(service.get("environment") or {}), **over}
        for variable in ("FLEETLAKE_LAKE__S3__ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"):
            assert variable not in given or variable in over, name
        if name != "init":
            assert "FLEETLAKE_MONGO__URI" not in given or "FLEETLAKE_MONGO__URI" in over, name
        if "FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS" in given:
            assert over["FLEETLAKE_KAFKA__SECURITY_PROTOCOL"] == "SASL_SSL", name


def option(variable: str) -> str:
    """As Kafka's image reads it: three underscores are a dash, two one, one a dot."""
    rest = variable.removeprefix("KAFKA_").lower()
    return rest.replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")
