"""Cursors of pages: opaque to clients, and of no use for anything but the next page of the same list. A
cursor that was changed, cut, or is of another list is refused before anything is made of it."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

import msgspec

from contracts.problem import Kind, Problem

SEAL_BYTES = 16
LONGEST = 2048
"""Characters: an id of 256 of four bytes each, its seal, and the rest."""

Place = Sequence[str | int | None]
"""Of the last row of a page: the values by which the list is in order."""


class Seal:
    """Makes and opens the cursors of one process, and of all that have the same key."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key, digest_size=32, person=b"fleetlake-cursor").digest()

    def cursor(self, listing: str, place: Place) -> str:
        """Where a page of a list ends. `listing` says which list it is, with what is asked of it."""
        told = msgspec.json.encode(list(place))
        return base64.urlsafe_b64encode(self._mark(listing, told) + told).decode().rstrip("=")

    def place(self, listing: str, cursor: str | None, kinds: Sequence[type]) -> list[str | int] | None:
        """Where to go on; None for the first page. Raises an `invalid-request` Problem."""
        if cursor is None:
            return None
        sealed = _decoded(cursor)
        mark, told = sealed[:SEAL_BYTES], sealed[SEAL_BYTES:]
        if len(mark) < SEAL_BYTES or not hmac.compare_digest(mark, self._mark(listing, told)):
            raise refused()
        place: list[str | int] = msgspec.json.decode(told)
        if [type(each) for each in place] != list(kinds):
            raise refused()
        return place

    def _mark(self, listing: str, told: bytes) -> bytes:
        told_of = len(listing).to_bytes(4, "big") + listing.encode("utf-8", "surrogatepass") + told
        return hashlib.blake2b(told_of, key=self._key, digest_size=SEAL_BYTES).digest()


def _decoded(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise refused() from error


def refused() -> Problem:
    """Of a cursor that is none of ours."""
    expected = "the next_cursor of a page of this same list, with the same parameters"
    return Problem(
        Kind.INVALID_REQUEST,
        "the cursor is not of this list: begin again without one",
        errors=[{"in": "query", "name": "cursor", "problem": f"it must be {expected}"}],
    )
