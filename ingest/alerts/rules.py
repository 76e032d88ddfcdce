"""The rules of alerts, as a YAML file states them: what each field may be. Whether signals and webhooks that
are named exist is for `load` to say."""

import re
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Final, Literal

import httpx
from pydantic import AfterValidator, Field, PlainValidator, model_validator

from contracts.catalog import Frozen
from ingest.alerts.areas import Circle, Polygon
from ingest.alerts.spans import SECOND_US, Span
from ingest.alerts.values import Op, Value, read_value

MESSAGE: Final = "message/"
"""What stands for any message of a vehicle. Names of signals have no slash."""

ANOMALY: Final = "anomaly/"
SETTLE_US: Final = 2 * SECOND_US
NAME: Final = r"^[a-z][a-z0-9_-]{0,63}$"
PLACEHOLDERS: Final = frozenset({"vehicle", "rule", "value", "severity", "time"})

Name = Annotated[str, Field(pattern=NAME)]
Duration = Annotated[Span, Field(alias="for")]


class Threshold(Frozen):
    """A signal beyond a value, and not back behind `clear` yet; for so long, by the time of its readings."""

    signal: str
    sensor: str | None = None
    op: Op
    value: Annotated[Value, PlainValidator(read_value)]
    clear: Annotated[Value, PlainValidator(read_value)] | None = None
    for_us: Duration = 0

    @model_validator(mode="after")
    def _clears_on_the_other_side(self) -> "Threshold":
        if self.clear is None:
            return self
        if self.op in {"==", "!="}:
            msg = f"`clear` goes with > >= < <=, not with {self.op}"
            raise ValueError(msg)
        if isinstance(self.value, str) or isinstance(self.clear, str):
            return self  # a text is refused with its signal
        if (self.clear > self.value) if ">" in self.op else (self.clear < self.value):
            side = "above" if ">" in self.op else "below"
            msg = f"clear {self.clear:g} is {side} value {self.value:g}: the alert would end where it began"
            raise ValueError(msg)
        return self

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.signal if self.sensor is None else f"{self.signal}@{self.sensor}"})


class Missing(Frozen):
    """A vehicle that was heard once, and is silent for so long by the clock; or one of its signals is."""

    signal: str | None = None
    for_us: Annotated[Span, Field(alias="for", ge=SECOND_US)]

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.signal or MESSAGE})


class Geofence(Frozen):
    """A vehicle in an area (`enter`), or out of it after it was in it (`leave`)."""

    on: Literal["enter", "leave"]
    circle: Circle | None = None
    polygon: Polygon | None = None
    for_us: Duration = 0

    @model_validator(mode="after")
    def _one_area(self) -> "Geofence":
        if (self.circle is None) == (self.polygon is None):
            msg = "give a circle or a polygon"
            raise ValueError(msg)
        return self

    @property
    def area(self) -> Circle | Polygon:
        area = self.circle or self.polygon
        assert area is not None  # noqa: S101 - one of them is given
        return area

    @property
    def names(self) -> frozenset[str]:
        return frozenset({"latitude", "longitude"})


CHARGE_POWERS: Final = ("charge_power", "ac_charge_power", "dc_charge_power")


class BatteryLow(Frozen):
    """A battery below a value, and not charging, for so long by the time of the readings."""

    signal: Literal["soc", "battery_level"] = "soc"
    below: float = Field(gt=0, le=100)
    clear: float | None = Field(None, gt=0, le=100)
    for_us: Duration = 0

    @model_validator(mode="after")
    def _clears_above(self) -> "BatteryLow":
        if self.clear is not None and self.clear < self.below:
            msg = f"clear {self.clear:g} is below {self.below:g}: the alert would end where it began"
            raise ValueError(msg)
        return self

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.signal, "charge_state", *CHARGE_POWERS})


class Anomalies(Frozen):
    """At least `count` anomalies of a kind within a window of time."""

    kind: Name
    count: int = Field(ge=1, le=1000)
    window_us: Annotated[Span, Field(alias="window", ge=SECOND_US)]

    @property
    def names(self) -> frozenset[str]:
        return frozenset({f"{ANOMALY}{self.kind}"})


Condition = Threshold | Missing | Geofence | BatteryLow | Anomalies
KINDS: Final = ("threshold", "missing", "geofence", "battery_low", "anomalies")


def _fillable(template: str) -> str:
    unknown = sorted(set(re.findall(r"\{([^{}]*)\}", template)) - PLACEHOLDERS)
    if unknown:
        msg = f"{{{unknown[0]}}} is nothing to fill in; there are {', '.join(sorted(PLACEHOLDERS))}"
        raise ValueError(msg)
    return template


class Rule(Frozen):
    """One rule: what to look for, in whom, and whom to tell."""

    name: Name
    summary: Annotated[str, AfterValidator(_fillable)] = Field(min_length=1, max_length=500)
    severity: Literal["info", "warning", "critical"] = "warning"
    vehicles: tuple[str, ...] = ()
    fleets: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()
    threshold: Threshold | None = None
    missing: Missing | None = None
    geofence: Geofence | None = None
    battery_low: BatteryLow | None = None
    anomalies: Anomalies | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Rule":
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            found = "none of them" if not given else " and ".join(given)
            msg = f"a rule has one of {', '.join(KINDS)}; this one has {found}"
            raise ValueError(msg)
        return self

    @property
    def condition(self) -> Condition:
        """What it looks for."""
        found: Condition = next(filter(None, (getattr(self, kind) for kind in KINDS)))
        return found

    @cached_property
    def names(self) -> frozenset[str]:
        """The facts that it is judged by."""
        return self.condition.names

    @property
    def for_us(self) -> int:
        """How long its condition must hold by the time of readings."""
        condition = self.condition
        return condition.for_us if isinstance(condition, Threshold | Geofence | BatteryLow) else 0

    def is_about(self, vehicle_id: str, fleet: str | None) -> bool:
        """Whether the vehicle is among those that the rule is for: all, where it names none."""
        if not self.vehicles and not self.fleets:
            return True
        return fleet in self.fleets or any(fnmatchcase(vehicle_id, each) for each in self.vehicles)


def _address(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError(str(error)) from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        msg = "is no http or https address"
        raise ValueError(msg)
    if parsed.userinfo:
        msg = "holds a user or password: the file is no place for secrets"
        raise ValueError(msg)
    return url


class Webhook(Frozen):
    """Where changes of alerts are posted. No other address is ever called."""

    url: Annotated[str, AfterValidator(_address)] = Field(max_length=2000)
    format: Literal["fleetlake", "alertmanager"] = "fleetlake"


class RuleSet(Frozen):
    """The whole file."""

    settle_us: Annotated[Span, Field(alias="settle", le=3600 * SECOND_US)] = SETTLE_US
    """How long a reading waits for older ones to be sorted before it."""

    webhooks: dict[Name, Webhook] = Field(default_factory=dict, max_length=50)
    rules: tuple[Rule, ...] = Field(max_length=500)

    @model_validator(mode="after")
    def _any(self) -> "RuleSet":
        if not self.rules:
            msg = "there is no rule in it"
            raise ValueError(msg)
        return self

    @cached_property
    def names(self) -> frozenset[str]:
        """All facts that any rule is judged by."""
        return frozenset[str]().union(*(rule.names for rule in self.rules))

    def rule(self, name: str) -> Rule | None:
        """The rule of that name."""
        return next((rule for rule in self.rules if rule.name == name), None)

    def about(self, vehicle_id: str, fleet: str | None) -> tuple[Rule, ...]:
        """The rules that are for a vehicle."""
        return tuple(rule for rule in self.rules if rule.is_about(vehicle_id, fleet))
