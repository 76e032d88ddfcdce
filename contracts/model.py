"""A source contract as its YAML file states it. Its parts are valid in themselves; `contracts.check_contract`
tells whether they fit together and into the catalog, and `contracts.load` gives out none that do not."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from contracts.catalog import Frozen, Threshold
from contracts.parts import (
    DocumentField,
    Filler,
    ListShape,
    LongShape,
    MaximumOutput,
    SensorSource,
    SignalField,
    SignalFieldOrName,
    TimeSource,
    VehicleSource,
)
from contracts.topics import DeadLetterTopic, OutputTopic, TopicName, TopicSettings


def _several(value: object) -> object:
    return value if isinstance(value, list) else [value]


class Contract(Frozen):
    """Everything the platform knows about one kind of source. Read from `sources/<name>.yml`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    description: str = ""
    shape: Literal["long", "wide", "list"]
    source_topics: dict[TopicName, TopicSettings] = Field(alias="topics", min_length=1)
    former_topics: tuple[TopicName, ...] = Field(
        (), description="topics that nothing reads any more: what was landed of them stays this source's"
    )
    dead_letters: DeadLetterTopic | None = None
    anomalies: OutputTopic | None = None
    metrics: OutputTopic | None = None
    maximum: MaximumOutput | None = None

    vehicle: VehicleSource
    sensor: SensorSource | None = None
    event_time: Annotated[tuple[TimeSource, ...], BeforeValidator(_several)]
    received_time: TimeSource | None = None
    long_shape: LongShape | None = Field(None, alias="long")
    list_shape: ListShape | None = Field(None, alias="list")
    signals: dict[str, SignalFieldOrName] = Field(default_factory=dict)
    vss_paths: bool = Field(False, description="also map every VSS path of the catalog")
    required: tuple[str, ...] = Field((), description="wire names (wide) that each message must have")
    ignore: tuple[str, ...] = Field((), description="fields (wide) that are neither facts nor signals")
    on_bad_value: Literal["signal", "event"] = "signal"
    thresholds: dict[str, tuple[Threshold, ...]] = Field({}, description="instead of the catalog's")
    state_sensor: Literal["merged", "per_sensor"] = "merged"
    message_key: Literal["vehicle", "sensor"] = "vehicle"
    energy_meter: Literal["session", "lifetime"] = Field(
        "session", description="what the vehicle's charging energy counts since: the plug, or ever"
    )
    template: dict[str, Filler] = Field({}, description="what encode starts from: key order and fillers")
    document: dict[str, DocumentField] = Field({}, description="how a person sees a vehicle's state")

    _hash: str = PrivateAttr("")
    _fields: Mapping[str, SignalField] = PrivateAttr(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.name, self._hash))

    @property
    def hash(self) -> str:
        """Of what this contract makes of messages, the catalog's part included; stands in every row."""
        return self._hash

    @property
    def fields(self) -> Mapping[str, SignalField]:
        """Wire name -> meaning: `signals`, and the catalog's VSS paths where the contract asks for them."""
        return self._fields or self.signals

    def resolved(self, fields: Mapping[str, SignalField], digest: str) -> "Contract":
        """This contract with the catalog's part filled in; for the loader."""
        contract = self.model_copy()
        contract._fields, contract._hash = fields, digest
        return contract

    @property
    def topics(self) -> tuple[str, ...]:
        """Names of the topics that carry this source's messages; `encode` writes to the first."""
        return tuple(self.source_topics)

    @property
    def spoken_for(self) -> set[str]:
        """Every topic that is this source's and no other's: what it reads, has read, or writes."""
        return {*self.topic_settings, *self.former_topics}

    @property
    def dead_letter_topic(self) -> str:
        return self._dead_letters.topic

    @property
    def anomaly_topic(self) -> str:
        return self._anomalies.topic

    @property
    def metrics_topic(self) -> str | None:
        return self.metrics.topic if self.metrics else None

    @property
    def topic_settings(self) -> dict[str, TopicSettings]:
        """Settings of every topic of this source by name, those that the platform writes included."""
        settings: dict[str, TopicSettings] = dict(self.source_topics)
        for output in filter(None, (self._dead_letters, self._anomalies, self.metrics, self.maximum)):
            settings[output.topic] = output
        if self.maximum:
            settings[self.maximum.rekey_topic] = self.maximum.rekey_settings
        return settings

    @property
    def _dead_letters(self) -> OutputTopic:
        return self.dead_letters or DeadLetterTopic(topic=f"{self.topics[0]}.dlq")

    @property
    def _anomalies(self) -> OutputTopic:
        return self.anomalies or OutputTopic(topic=f"{self.name}.anomaly.v1", partitions=3)
