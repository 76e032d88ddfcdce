"""The parts of a source contract: where one fact of a message stands, and what it means. Each is valid in
itself; whether they fit together is `contracts.check_contract`'s to tell."""

from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, model_validator

from contracts.catalog import Frozen
from contracts.paths import Path
from contracts.topics import MaximumTopic, TopicSettings

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
