"""The canonical signals: what every source is translated into, and what every layer behind may rely on."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SignalType = Literal["number", "text", "bool"]


class Frozen(BaseModel):
    """A part of a definition file: immutable, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Threshold(Frozen):
    """A limit whose crossing is an anomaly of the named kind."""

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    op: Literal[">", ">=", "<", "<="]
    limit: float


class SignalSpec(Frozen):
    """One canonical signal: name, unit, type, physical range, anomaly thresholds, VSS path."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)
    description: str = ""
    type: SignalType = "number"
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    anomalies: tuple[Threshold, ...] = ()
    track_max: bool = False
    vss: str | None = None

    @model_validator(mode="after")
    def _numbers_only(self) -> "SignalSpec":
        ranged = self.minimum is not None or self.maximum is not None
        if self.type == "text" and (ranged or self.anomalies or self.track_max or self.unit):
            msg = "a text signal has no unit, range, anomalies or maximum"
            raise ValueError(msg)
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            msg = f"minimum {self.minimum:g} is above maximum {self.maximum:g}"
            raise ValueError(msg)
        return self


def _named(signals: object) -> object:
    if not isinstance(signals, Mapping):
        return signals
    return {
        name: {"name": name, **body} if isinstance(body, Mapping) else body for name, body in signals.items()
    }


class CatalogFile(Frozen):
    """`catalog.yml` as written: a mapping of names to signals."""

    signals: Annotated[dict[str, SignalSpec], BeforeValidator(_named)]

    @model_validator(mode="after")
    def _one_signal_a_path(self) -> "CatalogFile":
        seen: dict[str, str] = {}
        for spec in self.signals.values():
            if spec.vss and seen.setdefault(spec.vss, spec.name) != spec.name:
                msg = f"VSS path {spec.vss} belongs to {seen[spec.vss]} and {spec.name}"
                raise ValueError(msg)
        return self


class Catalog(Mapping[str, SignalSpec]):
    """All canonical signals by name, in the order of the file."""

    def __init__(self, signals: Mapping[str, SignalSpec]) -> None:
        self._signals = dict(signals)

    def __getitem__(self, name: str) -> SignalSpec:
        return self._signals[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._signals)

    def __len__(self) -> int:
        return len(self._signals)

    def __contains__(self, name: object) -> bool:
        return name in self._signals

    def by_vss_path(self) -> dict[str, SignalSpec]:
        """Signals that have a path in the Vehicle Signal Specification, by that path."""
        return {spec.vss: spec for spec in self._signals.values() if spec.vss}
