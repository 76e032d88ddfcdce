"""Settings of Kafka topics as contracts state them; the broker package creates the topics."""

import re
from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field

from contracts.catalog import Frozen

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d{1,6})([smhd])")


def _milliseconds(value: object) -> object:
    if value == "forever":
        return -1
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if match is None:
        msg = f"{value!r} is no duration, write one such as 7d, 12h or forever"
        raise ValueError(msg)
    return int(match[1]) * _UNITS_MS[match[2]]


_DEFAULTS = {"message.timestamp.type": "LogAppendTime"}


def _with_defaults(config: object) -> object:
    return {**_DEFAULTS, **config} if isinstance(config, dict) else config


class TopicSettings(Frozen):
    """How a topic is created. LogAppendTime: a message's Kafka time is the broker's, no producer's claim."""

    partitions: int = Field(6, ge=1, le=10_000)
    retention_ms: Annotated[int | None, BeforeValidator(_milliseconds)] = Field(
        None,
        ge=-1,
        validation_alias=AliasChoices("retention", "retention_ms"),
        description="in YAML: 7d, 12h, forever; None is the broker's default",
    )
    cleanup: Literal["delete", "compact"] = "delete"
    config: Annotated[dict[str, str], BeforeValidator(_with_defaults)] = Field(
        default_factory=_DEFAULTS.copy, description="further settings of the topic, by Kafka's names"
    )


TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class OutputTopic(TopicSettings):
    """A topic that the platform writes."""

    topic: TopicName


class DeadLetterTopic(OutputTopic):
    """Dead letters are few and wait for a person: a month."""

    partitions: int = Field(3, ge=1, le=10_000)
    retention_ms: Annotated[int | None, BeforeValidator(_milliseconds)] = Field(
        30 * _UNITS_MS["d"], ge=-1, validation_alias=AliasChoices("retention", "retention_ms")
    )


class MaximumTopic(OutputTopic):
    """One value per vehicle, kept as long as the vehicle is known."""

    cleanup: Literal["compact"] = "compact"
