"""Field paths of contracts: `location.latitude` is a field in an object, `a\\.b` a field with a dot."""

import re
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator

_STEP = re.compile(r"(?<!\\)\.")
_NOT_PLAIN = re.compile(r'[\x00-\x1f"\\]')


@lru_cache(maxsize=4096)
def steps(path: str) -> tuple[str, ...]:
    """The keys that lead to the field."""
    return tuple(step.replace("\\.", ".") for step in _STEP.split(path))


def is_plain(key: str) -> bool:
    """Whether typed parsers take it as a key: no quotes, backslashes or control characters."""
    return _NOT_PLAIN.search(key) is None


def is_path(path: str) -> bool:
    """Whether every step is a key that parsers take."""
    return all(step and is_plain(step) for step in steps(path))


def _valid(path: str) -> str:
    if not is_path(path):
        msg = f"{path!r} is no field path, write `field` or `object.field`"
        raise ValueError(msg)
    return path


Path = Annotated[str, AfterValidator(_valid)]
