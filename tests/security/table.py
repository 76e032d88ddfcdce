"""The tables of docs/security.md: who may do what. Rendered from what was tried, or from what is expected."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from infra.security.rights import Rights
from tests.security import kafka_trial, store_trial

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
Rows = Mapping[str, Mapping[str, bool]]


def expected_kafka(rights: Rights) -> Rows:
    """Every user of Kafka."""
    services = rights.services.items()
    return {name: kafka_trial.expected(each.kafka) for name, each in services if each.kafka is not None}


def expected_store(rights: Rights) -> Rows:
    """Every user of MinIO, and who has no account there."""
    services = rights.services.items()
    rows = {name: store_trial.expected(each.store) for name, each in services if each.store is not None}
    return {**rows, store_trial.NOBODY: store_trial.expected(None)}


def rendered(rows: Rows) -> str:
    """One line an action, one column a user: there are more actions."""
    users = list(rows)
    lines = ["| | " + " | ".join(users) + " |", "|---" * (len(users) + 1) + "|"]
    for title in next(iter(rows.values())):
        cells = ("yes" if rows[user][title] else "no" for user in users)
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def mongo(rights: Rights) -> str:
    """As rights.yml has it: not tried."""
    lines = ["| user | collection | actions |", "|---|---|---|"]
    for name, service in rights.services.items():
        for collection, actions in service.mongo.items():
            where = f"`{collection}`" if collection else "the database"
            lines.append(f"| {name} | {where} | {_listed(actions)} |")
        if service.mongo_roles:
            lines.append(f"| {name} | the database | the roles {_listed(service.mongo_roles)} |")
    return "\n".join(lines) + "\n"


def section(page: str, name: str) -> str:
    """What stands between the marks of one table."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", page, re.DOTALL)
    return "" if found is None else found.group(1)


def with_section(page: str, name: str, content: str) -> str:
    """The page with another table there."""
    return re.sub(
        rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda m: m[1] + content + m[2], page, flags=re.DOTALL
    )


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
