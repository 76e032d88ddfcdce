"""Headers of client messages, of those too that have a header whose name is not UTF-8.

The client cannot give such a name: `Message.headers` raises, and keeps for the next call a list in which that
pair has no name at all. Here every header keeps its place and its value; only such a name is replaced.
"""

import gc
from collections.abc import Iterable, Sequence
from typing import Final, cast
from urllib.parse import quote_from_bytes

from confluent_kafka import Message

from broker.record import Headers

NOT_UTF8: Final = "not-utf8:"
"""Begins the name that stands for one which is not UTF-8. Its bytes follow, percent-encoded, if it is the
first such name of its message; nothing follows otherwise, because the client tells the first one only."""

_REFUSED: Final = (SystemError, UnicodeDecodeError)


def headers_of(messages: Sequence[Message]) -> list[Headers | None]:
    """One entry per message; a map at C speed, that goes on behind each message it stops at."""
    found: list[Headers | None] = []
    others = iter(messages)
    while True:
        try:
            found.extend(cast("Iterable[Headers | None]", map(Message.headers, others)))
        except _REFUSED as error:
            found.append(_marked(messages[len(found)], _refused_name(error)))
        else:
            return found


def _marked(message: Message, name: bytes) -> Headers:
    mark = NOT_UTF8 + quote_from_bytes(name, safe="")
    headers: Headers = []
    marks = 0
    for pair in _remembered(message):
        if _has_name(pair):
            headers.append(pair)
            continue
        headers.append((NOT_UTF8 if marks else mark, pair[1]))
        marks += 1
    return headers if marks else [*headers, (mark, None)]


def _remembered(message: Message) -> Headers:
    """What the client keeps of the headers that it has just refused to give."""
    try:
        return cast("Headers", message.headers() or [])
    except _REFUSED:
        return []


def _has_name(pair: tuple[object, ...]) -> bool:
    """Asks the garbage collector: instead of the name is a null pointer, and to touch it ends the process."""
    return len(gc.get_referents(pair)) == len(pair)


def _refused_name(error: BaseException) -> bytes:
    """The name at the bottom of the error; an error of another kind is raised."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UnicodeDecodeError):
            return cause.object
        cause = cause.__cause__
    raise error
