"""Token buckets and addresses, by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlake.web.addresses import block_of, client_address, host_name, is_loopback, networks_of
from fleetlake.web.limits import Buckets

PROXIES = networks_of(("10.0.0.0/8", "fd00::/8"))


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    per_second=st.floats(0.1, 100),
    burst=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 1), max_size=200),
)
def test_nobody_gets_more_than_a_burst_and_the_rate(
    per_second: float, burst: int, pauses: list[float]
) -> None:
    """Over any stretch of time, however it asks."""
    clock = Clock()
    buckets = Buckets(per_second, burst, clock=clock)
    taken = 0
    for pause in pauses:
        clock.now += pause
        taken += buckets.take("a") == 0
    assert taken <= burst + clock.now * per_second + 1e-6


@given(burst=st.integers(1, 20), per_second=st.floats(0.1, 100))
def test_who_waits_as_told_is_let_in(burst: int, per_second: float) -> None:
    """The number in Retry-After is true."""
    clock = Clock()
    buckets = Buckets(per_second, burst, clock=clock)
    assert [buckets.take("a") for _ in range(burst)] == [0.0] * burst
    wait = buckets.take("a")
    assert wait > 0
    clock.now += wait + 1e-6
    assert buckets.take("a") == 0


def test_the_memory_of_clients_is_bounded() -> None:
    """Those that were not heard of for longest are forgotten; who is at it is not."""
    buckets = Buckets(0.001, 1, most_clients=10, clock=Clock())
    assert buckets.take("busy") == 0
    for number in range(1000):
        buckets.take(f"client {number}")
        assert buckets.take("busy") > 0
    assert len(buckets) == 10


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.9", ["198.51.100.1"], "192.0.2.9"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, garbage"], "10.0.0.1"),
        ("10.0.0.1", ["127.0.0.1"], "127.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("unknown", ["198.51.100.1"], "unknown"),
    ],
)
def test_only_proxies_of_ours_say_who_asks(peer: str, forwarded: list[str], client: str) -> None:
    """A client may write what it likes into the header."""
    assert client_address(peer, forwarded, PROXIES) == client


@pytest.mark.parametrize(
    ("header", "name"),
    [("localhost:8000", "localhost"), ("[::1]:80", "::1"), ("[::1]", "::1"), ("a", "a"), ("", ""), (":80", "")],
)
def test_the_name_in_a_host_header(header: str, name: str) -> None:
    """Without port and brackets."""
    assert host_name(header) == name


def test_what_is_loopback() -> None:
    """All of 127/8 to listen on; a name that only looks so is not."""
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "127.0.0.1.nip.io", "10.0.0.1", "")))  # noqa: S104


def test_a_customer_has_a_block_of_addresses() -> None:
    """Of IPv6 more than anybody can count."""
    assert block_of("2001:db8:1:2:3:4:5:6") == block_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert block_of("192.0.2.1") == "192.0.2.1"
    assert block_of("unknown") == "unknown"
