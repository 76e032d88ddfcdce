"""Names of signals that no catalog knows, made safe for every store behind.

The mapping is injective: two wire names never become one signal, and none becomes a catalogued one. It can be
read back with any percent-decoder.
"""

import re
from collections.abc import Container, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

NESTED: Final = "%2e"
"""Between the steps of a nested field. Lower case, so that it never equals a dot in a name (`%2E`)."""

_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9_:\-]")


def safe_name(wire: str, catalogued: Container[str]) -> str:
    """`wire` with everything outside `[A-Za-z0-9_:-]` percent-encoded, and never a catalogued name."""
    name = _encoded(wire)
    return f"%{ord(name[0]):02X}{name[1:]}" if name in catalogued else name


def safe_path(steps: Sequence[str], catalogued: Container[str]) -> str:
    """The name of a field inside objects, e.g. `location%2ealtitude`."""
    if len(steps) == 1:
        return safe_name(steps[0], catalogued)
    return NESTED.join(map(_encoded, steps))


def wire_path(name: str) -> tuple[str, ...]:
    """The inverse of `safe_path`."""
    return tuple(unquote(step) for step in name.split(NESTED))


@lru_cache(maxsize=4096)
def _encoded(wire: str) -> str:
    raw = wire.encode("utf-8", "surrogatepass")
    return _UNSAFE.sub(lambda match: b"%%%02X" % match.group()[0], raw).decode("ascii")
