"""Whether messages have every key once: typed parsers keep the last of two and do not tell."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

KEY_END: Final = b'":'
_UNCLEAR: Final = (b'\\"', b'" ', b'"\t', b'"\n', b'"\r')
"""Where these occur, a key's end may look different, or a text may look like one."""


def every_key_once(payloads: Sequence[bytes], keys: int | NDArray[np.int64]) -> NDArray[np.bool_]:
    """For each message, whether it certainly has just the `keys` that were parsed.

    Each key ends in `":` and nothing else does, unless one of the unclear pairs is there. The whole batch is
    counted at once; only if that does not add up is every message looked at. `keys` may be less than what a
    message has, but never more: else one message's surplus would hide another's double key.
    """
    together = b"".join(payloads)
    expected = keys * len(payloads) if isinstance(keys, int) else int(keys.sum())
    if _count(together, KEY_END) == expected and not any(
        _count(together, pair) for pair in _unclear(together)
    ):
        return np.ones(len(payloads), bool)
    column = pa.array(payloads, pa.binary())
    clear: NDArray[np.bool_] = np.asarray(pc.count_substring(column, KEY_END)) == keys
    for pair in _UNCLEAR:
        if pair in together:
            clear &= ~np.asarray(pc.match_substring(column, pair))
    return clear


def _unclear(text: bytes) -> Iterator[bytes]:
    """The pairs that can be there at all."""
    has_blanks = int(np.frombuffer(text, np.uint8).min()) <= ord(" ")
    for pair in _UNCLEAR if has_blanks else _UNCLEAR[:1]:
        if pair.strip(b'"') in text:
            yield pair


def _count(text: bytes, pair: bytes) -> int:
    """Occurrences of two bytes, by comparing 16-bit words at even and at odd places."""
    word = np.frombuffer(pair, np.uint16)[0]
    even = np.frombuffer(text, np.uint16, len(text) // 2)
    odd = np.frombuffer(text, np.uint16, (len(text) - 1) // 2, offset=1)
    return int(np.count_nonzero(even == word) + np.count_nonzero(odd == word))
