"""Sending: on time without drift, until a stop, into whatever outlet."""

import gzip
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import BrokerError
from simulate.outlets import FileOutlet, NoOutlet
from simulate.pacing import Clock, Pacer
from simulate.parcel import Parcel
from simulate.send import Progress, send_all
from simulate.wrapping import Wrapped, unwrap, wrap


class ScriptedClock:
    """Time that passes only while somebody pauses, a little longer than asked for, and while sending."""

    def __init__(self, send_s: float = 0.0) -> None:
        self.now = 100.0
        self.sent_at: list[float] = []
        self.stop_at = float("inf")
        self.pauses = 0
        self._send_s = send_s

    def clock(self) -> Clock:
        return Clock(lambda: self.now, self._pause, lambda: self.now >= self.stop_at)

    def _pause(self, seconds: float) -> None:
        self.pauses += 1
        self.now += seconds + 0.0004

    def receipt(self, error: BrokerError | None) -> None:
        self.sent_at.append(self.now - 100.0)
        self.now += self._send_s


def parcels(clock: ScriptedClock, dues: list[float]) -> Iterator[Parcel]:
    for due in dues:
        yield Parcel(due, "t", b"k", b"{}", (), clock.receipt)


def nobody(progress: Progress) -> None:
    """Nobody looks at the progress."""


def test_messages_are_sent_when_due_without_drift() -> None:
    """Each within a few milliseconds of its time, the last as well as the first."""
    time, dues = ScriptedClock(), [number * 0.0005 for number in range(20_000)]
    send_all(parcels(time, dues), NoOutlet(), Pacer(time.clock(), 1.0), nobody)
    assert all(0.0 <= sent - due < 0.003 for due, sent in zip(dues, time.sent_at, strict=True))


def test_a_sender_that_falls_behind_catches_up() -> None:
    """After a pause of a second everything that is due goes out at once."""
    time, dues = ScriptedClock(), [0.0, 0.1, 0.2, 0.3, 1.5]
    stream = parcels(time, dues)
    outlet = NoOutlet()
    pacer = Pacer(time.clock(), 1.0)
    send_all(itertools.islice(stream, 1), outlet, pacer, nobody)
    time.now += 1.0
    send_all(stream, outlet, pacer, nobody)
    assert time.sent_at[1:4] == [1.0, 1.0, 1.0]
    assert time.sent_at[4] == pytest.approx(1.5, abs=0.003)


def test_speed_divides_the_waiting() -> None:
    """At speed 60 a minute takes a second; without pacing nobody waits."""
    time, dues = ScriptedClock(), [0.0, 60.0]
    send_all(parcels(time, dues), NoOutlet(), Pacer(time.clock(), 1 / 60), nobody)
    assert time.sent_at[1] == pytest.approx(1.0, abs=0.01)
    time = ScriptedClock()
    send_all(parcels(time, dues), NoOutlet(), Pacer(time.clock(), 0.0), nobody)
    assert time.pauses == 0


def test_a_stop_ends_a_long_wait() -> None:
    """What is due later than the stop is not sent, and nobody waits for it."""
    time = ScriptedClock()
    time.stop_at = 101.0
    progress = send_all(parcels(time, [0.0, 0.5, 3600.0]), NoOutlet(), Pacer(time.clock(), 1.0), nobody)
    assert progress.messages == 2
    assert time.now < 101.5


def test_the_outlet_is_closed_when_the_source_breaks() -> None:
    """What was handed over before a failure is still delivered."""

    class Outlet(NoOutlet):
        closed = False

        def close(self) -> None:
            self.closed = True

    def broken(time: ScriptedClock) -> Iterator[Parcel]:
        yield from parcels(time, [0.0])
        raise OSError

    outlet = Outlet()
    with pytest.raises(OSError):  # noqa: PT011 - any failure of the source
        send_all(broken(time := ScriptedClock()), outlet, Pacer(time.clock(), 0.0), nobody)
    assert outlet.closed


@given(
    key=st.none() | st.binary(max_size=20),
    payload=st.none() | st.binary(max_size=200),
    value=st.text(max_size=20),
)
def test_a_wrapped_message_is_the_same_when_unwrapped(
    key: bytes | None, payload: bytes | None, value: str
) -> None:
    """Whatever bytes it has; a line holds one message."""
    line = wrap(Parcel(0.0, "a.topic", key, payload, [("receivedat", value.encode())], lambda error: None))
    assert b"\n" not in line
    assert unwrap(line) == Wrapped("a.topic", key, [("receivedat", value.encode())], payload)


@pytest.mark.parametrize(
    "line",
    [
        b'{"topic":"a"}',
        b'{"topic":"a","key":null,"value":"x","speed":1}',
        b'{"topic":1,"key":null,"value":"x"}',
        b'{"topic":"a","key":5,"value":"x"}',
        b'{"topic":"a","key_base64":"%%","value":"x"}',
        b'{"topic":',
        b'{"speed":1}',
    ],
)
def test_a_message_that_is_not_wrapped_is_left_alone(line: bytes) -> None:
    """Telemetry that looks a little like it is telemetry."""
    assert unwrap(line) is None


@pytest.mark.parametrize("name", ["sent.jsonl", "sent.jsonl.gz"])
def test_a_file_holds_a_line_per_message(tmp_path: Path, name: str) -> None:
    """Acknowledged when written; packed when the name says so."""
    time = ScriptedClock()
    send_all(parcels(time, [0.0] * 3), FileOutlet(tmp_path / name), Pacer(time.clock(), 0.0), nobody)
    data = (tmp_path / name).read_bytes()
    text = gzip.decompress(data) if name.endswith(".gz") else data
    assert text == b'{"topic":"t","key":"k","value":"{}"}\n' * 3
    assert len(time.sent_at) == 3
