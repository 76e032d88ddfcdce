"""rights.yml, and what is made of it, without servers."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from broker.access import Grant, Operation, Resource
from broker.settings import KafkaSettings
from contracts.load import load_registry
from infra.security import mongo_roles, passwords
from infra.security.kafka_grants import grants
from infra.security.rights import Area, StoreRights, load_rights
from infra.security.store_policies import policy
from lake.locations import Locations
from tests.security import table

RIGHTS = load_rights()


def test_the_tables_of_the_page_are_those_of_the_rights() -> None:
    """What was tried is written there by `make security-table`; a changed right is tried again."""
    page = table.PAGE.read_text()
    assert table.section(page, "kafka") == table.rendered(table.expected_kafka(RIGHTS))
    assert table.section(page, "minio") == table.rendered(table.expected_store(RIGHTS))
    assert table.section(page, "mongo") == table.mongo(RIGHTS)


def test_nobody_but_who_is_meant_to_writes_or_deletes() -> None:
    """The sentences of docs/security.md, whatever else rights.yml comes to say."""
    kafka, store = table.expected_kafka(RIGHTS), table.expected_store(RIGHTS)
    assert not any(kafka["api"].values())
    assert [user for user in store if store[user]["delete bronze"]] == ["dagster", "operator"]
    assert [user for user in store if store[user]["put bronze"]] == ["history", "dagster", "operator"]
    assert [
        act for act, may in store["metabase"].items() if may and not act.startswith(("get", "list"))
    ] == []
    assert {act for row in kafka.values() for act, may in row.items() if may}.isdisjoint(
        {"delete a topic", "grant rights", "make any topic", "another's transactions"}
    )


def test_grants_name_topics_and_groups_as_they_are_and_transactions_by_prefix() -> None:
    """No grant is a wildcard."""
    found = grants(RIGHTS, load_registry(), KafkaSettings(group_prefix="a"))
    assert Grant("history", Operation.READ, Resource.GROUP, "a.history") in found
    assert Grant("routes", Operation.WRITE, Resource.TRANSACTIONAL_ID, "a.routes.", is_prefix=True) in found
    assert Grant("routes", Operation.WRITE, Resource.TOPIC, "vehicle_pressure_max") in found
    assert {grant.resource for grant in found if grant.is_prefix} == {Resource.TRANSACTIONAL_ID}
    assert not any("*" in grant.name for grant in found)


@pytest.mark.parametrize(("root", "key"), [("s3://b/fleet", "b/fleet/bronze/*"), ("s3://b", "b/bronze/*")])
def test_a_policy_ends_at_the_lakes_prefix(root: str, key: str) -> None:
    """With or without one; listing, too."""
    found = policy(StoreRights(read=(Area.BRONZE,)), Locations(root))
    get, listing = found["Statement"]
    assert get["Resource"] == [f"arn:aws:s3:::{key}"]
    assert ("Condition" in listing) == (root == "s3://b/fleet")
    assert "Delete" not in json.dumps(found)


def test_a_word_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    """A right that is misspelt would be one that is missing."""
    file = tmp_path / "rights.yml"
    file.write_text("administrator: a\nservers: [k]\nservices: {x: {does: y, kafka: {reed: [sources]}}}\n")
    with pytest.raises(ValidationError, match="reed"):
        load_rights(file)


def test_mongo_users_have_a_role_of_their_own_or_mongodbs() -> None:
    """Role before user; a second run updates both. Never run on a real mongod."""
    found = list(mongo_roles.commands(RIGHTS, "fleet", dict.fromkeys(RIGHTS.services, "secret")))
    made = [next(iter(each.items())) for each in found]
    assert made.index(("createRole", "api")) < made.index(("createUser", "api"))
    assert ("createRole", "operator") not in made
    assert ("createUser", "history") not in made
    role = next(each for each in found if each.get("createRole") == "api")
    assert {"resource": {"db": "fleet", "collection": "alerts"}, "actions": ["find"]} in role["privileges"]
    assert mongo_roles.as_update(role)["updateRole"] == "api"


def test_passwords_stay_and_what_is_missing_is_made(tmp_path: Path) -> None:
    """Only their owner can read them; no two are alike."""
    file = tmp_path / "secrets" / "passwords.env"
    first = passwords.complete(file, RIGHTS)
    assert first.keys() == set(passwords.wanted(RIGHTS))
    assert len(set(first.values())) == len(first)
    assert file.stat().st_mode & 0o077 == 0
    kept = {name: value for name, value in first.items() if name != "KAFKA_PASSWORD_API"}
    file.write_text("".join(f"{name}={value}\n" for name, value in kept.items()))
    second = passwords.complete(file, RIGHTS)
    assert second.keys() == first.keys()
    assert {name for name in first if first[name] != second[name]} == {"KAFKA_PASSWORD_API"}
