"""A source contract as its YAML file states it: where a message's facts stand and what they mean.

Each part of a `Contract` is valid in itself; `contracts.check_contract` tells whether they fit together and
into the catalog, and `contracts.load` gives out none that do not.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from contracts.catalog import Frozen, Threshold
from contracts.paths import Path
from contracts.topics import DeadLetterTopic, MaximumTopic, OutputTopic, TopicName, TopicSettings

TimeFormat = Literal["iso", "epoch_s", "epoch_ms", "epoch_us"]
Filler = str | int | float | bool | list[Any] | None


def _one_of(part: Frozen, *names: str) -> None:
    given = [name for name in names if getattr(part, name)]
    if len(given) != 1:
        msg = f"exactly one of {', '.join(names)} is needed"
        raise ValueError(msg)


def _zone(name: object) -> object:
    if isinstance(name, str):
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            msg = f"{name!r} is no time zone, write one such as Africa/Casablanca"
            raise ValueError(msg) from error
    return name


Zone = Annotated[str, BeforeValidator(_zone)]


class VehicleSource(Frozen):
    """Where the vehicle's id stands: a field, or the Kafka key."""

    field: Path | None = None
    key: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        _one_of(self, "field", "key")
        return self


class SensorSource(Frozen):
    """Where the sensor's id stands."""

    field: Path
    required: bool = False


class TimeColumns(Frozen):
    """A date and a time of day in two fields, in local time.

    A local time that a change of the clocks skips is read with the offset before the change; one that happens
    twice is its first pass.
    """

    date: Path
    time: Path
    order: Literal["MDY", "DMY", "YMD"] = "YMD"
    zone: Zone


def _formats(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class TimeSource(Frozen):
    """Where a time stands and how it is written. `like` is an example of how `encode` writes it."""

    field: Path | None = None
    header: str | None = None
    columns: TimeColumns | None = None
    format: Annotated[tuple[TimeFormat, ...], BeforeValidator(_formats)] = ("iso",)
    zone: Zone | None = Field(None, description="of ISO times without an offset; without it they are refused")
    like: str | None = Field(None, pattern=r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)$")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        _one_of(self, "field", "header", "columns")
        if not self.format:
            msg = "format must not be empty"
            raise ValueError(msg)
        return self

    @property
    def label(self) -> str:
        """How messages call this place."""
        if self.columns:
            return f"fields {self.columns.date} and {self.columns.time}"
        return f"header {self.header}" if self.header else f"field {self.field}"


class SignalField(Frozen):
    """What one wire name means: a signal, with its unit on the wire; or an object with several in it."""

    signal: str | None = None
    unit: str | None = None
    values: dict[str, str] = Field({}, description="texts on the wire and what they mean; others are refused")
    minimum: float | None = None
    maximum: float | None = None
    parts: "dict[str, SignalFieldOrName]" = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        _one_of(self, "signal", "parts")
        if self.parts and (self.unit or self.values or self.minimum is not None or self.maximum is not None):
            msg = "unit, values and ranges belong to each of the parts"
            raise ValueError(msg)
        if any(part.parts for part in self.parts.values()):
            msg = "parts cannot have parts"
            raise ValueError(msg)
        return self


def _signal(value: object) -> object:
    return {"signal": value} if isinstance(value, str) else value


SignalFieldOrName = Annotated[SignalField, BeforeValidator(_signal)]


class WrittenTypes(Frozen):
    """Values of the type field that `encode` writes."""

    number: str
    integer: str
    text: str


class LongShape(Frozen):
    """One signal a message: its name in one field, its value in another, or in one chosen by a type field."""

    name: Path
    value: Path | None = None
    value_type: Path | None = None
    values: dict[str, Path] = Field({}, description="value of the type field -> field that holds the value")

    written_types: WrittenTypes | None = None

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        _one_of(self, "value", "values")
        if self.values and self.value_type is None:
            msg = "values needs value_type, the field that chooses among them"
            raise ValueError(msg)
        return self

    @property
    def value_fields(self) -> tuple[Path, ...]:
        return (self.value,) if self.value else tuple(dict.fromkeys(self.values.values()))


class Wrappers(Frozen):
    """Keys of the object around a value, for `encode`; `decode` takes the only entry whatever its key."""

    number: str
    text: str
    bool: str
    parts: str
    also: tuple[str, ...] = Field((), description="further keys to expect; others are read as well, slower")


class ListShape(Frozen):
    """An array of objects, one signal each, possibly with its own time."""

    items: Path
    name: str
    value: str
    time: str | None = None
    time_format: Annotated[tuple[TimeFormat, ...], BeforeValidator(_formats)] = ("iso",)
    wrappers: Wrappers | None = None
    invalid: str | None = Field(None, description="key in a value's object that says there is no value")


class DocumentField(Frozen):
    """One field of a document that is made from a vehicle's state or from a reading."""

    vehicle: bool = False
    sensor: bool = False
    event_time: bool = False
    ingestion_time: bool = False
    value: bool = False
    signal: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _one_of(self, "vehicle", "sensor", "event_time", "ingestion_time", "value", "signal")
        return self


class MaximumOutput(MaximumTopic):
    """The greatest value of a signal per vehicle, a compacted topic keyed by vehicle."""

    signal: str
    document: dict[str, DocumentField]

    @property
    def rekey_topic(self) -> str:
        """Internal: readings by vehicle, with as many partitions as the output, so that owners match."""
        return f"{self.topic}.by-vehicle"

    @property
    def rekey_settings(self) -> TopicSettings:
        """Of the internal topic: a reading is needed until its transaction is read, a day is ample."""
        return TopicSettings(partitions=self.partitions, retention_ms=86_400_000)

    @property
    def companions(self) -> tuple[str, ...]:
        """Further signals of the same message that stand in the document."""
        return tuple(field.signal for field in self.document.values() if field.signal)


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
