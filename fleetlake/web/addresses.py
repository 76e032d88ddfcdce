"""Which addresses and names mean this machine, and which client a request comes from."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

Networks = tuple[IPv4Network | IPv6Network, ...]


def is_loopback_name(host: str) -> bool:
    """Whether a host name, without port and brackets, can only mean this machine. Other names may be made to
    point here by whoever owns them."""
    return host.lower() in LOOPBACK_NAMES


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches what listens on the address, or comes from it."""
    if is_loopback_name(address):
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """The name in a Host header or an origin's authority, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def networks_of(values: Sequence[str]) -> Networks:
    """The networks that settings name."""
    return tuple(ip_network(value) for value in values)


def is_in(address: str, networks: Networks) -> bool:
    """Whether the address lies in one of the networks; what is no address does not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def client_address(peer: str, forwarded: Sequence[str], proxies: Networks) -> str:
    """The address of whoever asks: the peer, or who a trusted proxy says that it asks for.

    Each proxy adds its peer at the right end, and a client may have written anything to the left of that: the
    first from the right that is no proxy of ours is the client.
    """
    if not is_in(peer, proxies):
        return peer
    for each in reversed([hop.strip() for value in forwarded for hop in value.split(",")]):
        try:
            ip_address(each)
        except ValueError:
            return peer
        if not is_in(each, proxies):
            return each
    return peer


def block_of(address: str) -> str:
    """The addresses that one customer has: of IPv6 a network of 64 bits, of IPv4 the one."""
    if ":" not in address:
        return address
    try:
        return str(ip_network((address, 64), strict=False))
    except ValueError:
        return address
