"""How vehicles report: one signal at a time, a whole snapshot, or what has changed. A reporter is one vehicle
with its own random numbers; what it reports does not depend on its neighbours."""

from collections.abc import Sequence
from random import Random
from typing import Protocol

from simulate.channels import Channel, Value
from simulate.instruments import Rig, Station
from simulate.vehicle import Vehicle

Observation = list[tuple[Channel, Value]]

OFTEN_S = 0.0
SELDOM_S = 30.0
OFTEN = {"speed", "latitude", "longitude", "heading", "gear", "charge_state", "ignition"}
"""Signals that are sent whenever they change; others at most every half minute."""
PLACE = {"latitude", "longitude"}


class Subject(Protocol):
    """What can be observed."""

    def advance(self, now: float) -> None: ...


class Reporter:
    """A vehicle that reports the present value of all its channels: a snapshot."""

    __slots__ = ("channels", "rng", "sensors", "subject", "vehicle_id")

    def __init__(
        self,
        vehicle_id: str,
        subject: Vehicle | Rig | Station,
        channels: Sequence[Channel],
        rng: Random,
        sensors: int = 0,
    ) -> None:
        self.vehicle_id, self.subject, self.channels, self.rng = vehicle_id, subject, channels, rng
        self.sensors = sensors

    def advance(self, now: float) -> bool:
        """Lives on until `now`, unix seconds; whether it is awake then."""
        subject = self.subject
        subject.advance(now)
        return not (isinstance(subject, Vehicle) and subject.asleep)

    def observe(self) -> Observation:
        """What the next message says, were it a normal one."""
        subject = self.subject
        return [(channel, channel.read(subject)) for channel in self.channels]

    def take_clock_error(self) -> float:
        """Seconds by which the clock is ahead; once after waking up, then it is set right."""
        subject = self.subject
        if not isinstance(subject, Vehicle) or not subject.clock_ahead:
            return 0.0
        ahead, subject.clock_ahead = subject.clock_ahead, 0.0
        return ahead

    def sensor(self) -> str | None:
        """The sensor that reports, named after its vehicle (`HONDA 231` has `honda23100`); None without."""
        if not self.sensors:
            return None
        subject = self.subject
        number = subject.sensor if isinstance(subject, Rig) else self.rng.randrange(self.sensors)
        return f"{''.join(self.vehicle_id.lower().split())}{number:02d}"


class OneByOne(Reporter):
    """One signal a message, a random one each time."""

    __slots__ = ()

    def observe(self) -> Observation:
        channels = self.channels
        channel = channels[int(self.rng.random() * len(channels))]
        return [(channel, channel.read(self.subject))]


class Changes(Reporter):
    """What has changed since it was last sent; everything in the first message. When nothing has, the value
    that was sent longest ago."""

    __slots__ = ("_sent",)

    def __init__(
        self, vehicle_id: str, subject: Vehicle, channels: Sequence[Channel], rng: Random, sensors: int = 0
    ) -> None:
        super().__init__(vehicle_id, subject, channels, rng, sensors)
        self._sent: dict[str, tuple[float, Value | None]] = {
            channel.signal: (float("-inf"), None) for channel in channels
        }

    def observe(self) -> Observation:
        now, found = self.subject.now, []
        for channel in self.channels:
            since, sent = self._sent[channel.signal]
            if now - since < (OFTEN_S if channel.signal in OFTEN else SELDOM_S):
                continue
            value = channel.read(self.subject)
            if value != sent:
                found.append((channel, value))
        found = self._complete(found) or [self._oldest()]
        for channel, value in found:
            self._sent[channel.signal] = now, value
        return found

    def _complete(self, found: Observation) -> Observation:
        """A place is sent whole."""
        changed = {channel.signal for channel, _ in found}
        missing = PLACE - changed if PLACE & changed else set()
        return found + [
            (channel, channel.read(self.subject)) for channel in self.channels if channel.signal in missing
        ]

    def _oldest(self) -> tuple[Channel, Value]:
        channel = min(self.channels, key=lambda channel: self._sent[channel.signal][0])
        return channel, channel.read(self.subject)
