"""Field paths of contracts: `location.latitude` is a field in an object, `a\\.b` a field with a dot."""

import re
from typing import Annotated

from pydantic import AfterValidator

_STEP = re.compile(r"(?<!\\)\.")


def steps(path: str) -> tuple[str, ...]:
    """The keys that lead to the field."""
    return tuple(step.replace("\\.", ".") for step in _STEP.split(path))


def _valid(path: str) -> str:
    if not all(steps(path)):
        msg = f"{path!r} is no field path, write `field` or `object.field`"
        raise ValueError(msg)
    return path


Path = Annotated[str, AfterValidator(_valid)]
