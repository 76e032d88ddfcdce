"""Membership in a consumer group, as an opaque token between a consumer and a transactional producer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupMetadata:
    """Group, generation and member at one moment: offsets sent with an outdated one are refused."""

    handle: object
