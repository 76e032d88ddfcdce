"""rights.yml as types: who may do what. A word that is not known is refused, with its place."""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

FILE = Path(__file__).with_name("rights.yml")


class TopicKind(StrEnum):
    """What a topic is for."""

    SOURCES = "sources"
    DEAD_LETTERS = "dead_letters"
    ANOMALIES = "anomalies"
    COUNTERS = "counters"
    MAXIMA = "maxima"
    BY_VEHICLE = "by_vehicle"
    REDRIVEN = "redriven"
    ALL = "all"


class Area(StrEnum):
    """A part of the lake."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    PROBE = "probe"
    LAKE = "lake"


class _Rights(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaRights(_Rights):
    """What a service may do with topics, groups and transactional ids."""

    read: tuple[TopicKind, ...] = ()
    write: tuple[TopicKind, ...] = ()
    describe: tuple[TopicKind, ...] = ()
    describe_configs: tuple[TopicKind, ...] = ()
    configure: tuple[TopicKind, ...] = ()
    """Create, and change how they are set."""

    groups: tuple[str, ...] = ()
    describe_groups: tuple[str, ...] = ()
    transactions: tuple[str, ...] = ()


class StoreRights(_Rights):
    """What a service may do with objects."""

    read: tuple[Area, ...] = ()
    write: tuple[Area, ...] = ()
    delete: tuple[Area, ...] = ()
    create_bucket: bool = False


class ServiceRights(_Rights):
    """One service; None: it has no account there."""

    does: str = Field(min_length=1)
    kafka: KafkaRights | None = None
    store: StoreRights | None = None
    mongo: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Actions by collection; "" is the database."""

    mongo_roles: tuple[str, ...] = ()
    """MongoDB's own roles on the database."""


class Rights(_Rights):
    """The whole file."""

    administrator: str
    servers: tuple[str, ...]
    services: dict[str, ServiceRights]


def load_rights(file: Path = FILE) -> Rights:
    """Raises pydantic's error for what the file has and nobody knows."""
    return Rights.model_validate(YAML(typ="safe").load(file))
