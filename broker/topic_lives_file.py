"""Lives of single topics on a broker without topic ids: what an operator says of a topic that was deleted and
made anew, kept beside the incarnation file so that every process on the machine reads the same.
"""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path

SUFFIX = ".topics"


def read_lives(incarnation_file: Path) -> Mapping[str, str]:
    """Topic -> life, of topics that were renewed; none of the others."""
    try:
        lives: dict[str, str] = json.loads(_file(incarnation_file).read_text())
    except FileNotFoundError:
        return {}
    return lives


def renew_life(incarnation_file: Path, topic: str) -> str:
    """Gives the topic a life of its own, replacing an earlier one; returns it."""
    life = uuid.uuid4().hex
    file = _file(incarnation_file)
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(json.dumps({**read_lives(incarnation_file), topic: life}))
    draft.replace(file)
    return life


def _file(incarnation_file: Path) -> Path:
    return incarnation_file.with_name(incarnation_file.name + SUFFIX)
