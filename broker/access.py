"""Who may do what in Kafka: users with SCRAM passwords, and the ACLs of each. Needs a user that may alter the
cluster; everything here can be done again and changes nothing then."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from confluent_kafka.admin._acl import (  # its package does not mark exports
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
)
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from broker.admin import Admin

ITERATIONS = 8192
ANYWHERE = "*"
ANYTHING: Any = None
"""What a filter leaves open; the library's types do not know that it may."""

_CLUSTER = "kafka-cluster"


class Operation(StrEnum):
    """As Kafka names them."""

    READ = "READ"
    WRITE = "WRITE"
    CREATE = "CREATE"
    ALTER = "ALTER"
    DESCRIBE = "DESCRIBE"
    DESCRIBE_CONFIGS = "DESCRIBE_CONFIGS"
    ALTER_CONFIGS = "ALTER_CONFIGS"


class Resource(StrEnum):
    """As the client library names them."""

    TOPIC = "TOPIC"
    GROUP = "GROUP"
    TRANSACTIONAL_ID = "TRANSACTIONAL_ID"


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One thing that one user may do. With `is_prefix` the name is the beginning of names."""

    user: str
    operation: Operation
    resource: Resource
    name: str
    is_prefix: bool = False

    def __str__(self) -> str:
        more = "*" if self.is_prefix else ""
        return f"{self.user} may {self.operation} {self.resource} {self.name}{more}"


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of the ACLs."""

    added: tuple[Grant, ...]
    removed: tuple[str, ...]
    """In words: what was there may be of kinds that are never granted here."""


class Access:
    """The users and ACLs of one cluster."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def set_passwords(self, passwords: Mapping[str, str]) -> None:
        """Makes the users, or gives them these passwords."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
        wanted: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(user, info, text.encode()) for user, text in passwords.items()
        ]
        futures = self._admin.client.alter_user_scram_credentials(
            wanted, request_timeout=self._admin.timeout_s
        )
        for user, future in futures.items():
            self._admin.answer(future, f"setting the password of {user}", user)

    def set_grants(self, users: Iterable[str], grants: Iterable[Grant]) -> Changed:
        """Afterwards these users have these ACLs and no others; those of other users stay as they are.

        What is missing is added before anything is removed: nobody loses a right in between.
        """
        wanted = {_binding(grant): grant for grant in grants}
        found = self._of(set(users))
        added = [binding for binding in wanted if binding not in found]
        removed = [binding for binding in found if binding not in wanted]
        client, timeout = self._admin.client, self._admin.timeout_s
        if added:
            for binding, made in client.create_acls(added, request_timeout=timeout).items():
                self._admin.answer(made, f"granting {wanted[binding]}", wanted[binding].name)
        if removed:
            filters = [_exactly(binding) for binding in removed]
            for gone in client.delete_acls(filters, request_timeout=timeout).values():
                self._admin.answer(gone, "removing ACLs")
        return Changed(tuple(sorted(wanted[each] for each in added)), tuple(sorted(map(_words, removed))))

    def _of(self, users: set[str]) -> set[AclBinding]:
        everything = AclBindingFilter(
            ResourceType.ANY,
            ANYTHING,
            ResourcePatternType.ANY,
            ANYTHING,
            ANYTHING,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        future = self._admin.client.describe_acls(everything, request_timeout=self._admin.timeout_s)
        found = self._admin.answer(future, "reading the ACLs", _CLUSTER)
        principals = {_principal(user) for user in users}
        return {binding for binding in found if binding.principal in principals}


def _principal(user: str) -> str:
    return f"User:{user}"


def _binding(grant: Grant) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if grant.is_prefix else ResourcePatternType.LITERAL
    return AclBinding(
        ResourceType[grant.resource],
        grant.name,
        pattern,
        _principal(grant.user),
        ANYWHERE,
        AclOperation[grant.operation],
        AclPermissionType.ALLOW,
    )


def _exactly(binding: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _words(binding: AclBinding) -> str:
    parts = (binding.permission_type, binding.operation, binding.restype)
    allowed = " ".join(each.name if isinstance(each, Enum) else str(each) for each in parts)
    return f"{binding.principal} {allowed} {binding.name}"
