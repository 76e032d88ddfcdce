"""YAML files as plain data with the line of every key; models built from them name it in every error."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from contracts.errors import ContractError

Model = TypeVar("Model", bound=BaseModel)
KeyPath = tuple[str | int, ...]

MOST_REPEATED: Final = 100_000
"""Values that a file may have by aliases beside those that are written in it. Nobody needs so many, and a few
lines of aliases of aliases are billions."""

_MISSING: Final = "this key is missing"
_MEANT: Final = re.compile(r"did you mean `(.*)`\?")


@dataclass(frozen=True)
class Document:
    """One YAML file: its data, and where each key stands."""

    file: Path
    root: Any

    @property
    def data(self) -> Any:
        """Plain dicts, lists and scalars. ContractError where aliases make too much of them."""
        try:
            return _Plain(self.file).of(self.root)
        except RecursionError:
            raise _too_deep(self.file) from None

    def line(self, key_path: KeyPath) -> int:
        """Line (from 1) of the deepest part of the path that is in the file."""
        node, line = self.root, 1
        for key in key_path:
            try:
                if isinstance(node, CommentedMap):
                    line = node.lc.key(key)[0] + 1
                elif isinstance(node, CommentedSeq):
                    line = node.lc.item(key)[0] + 1
                node = node[key]
            except (KeyError, IndexError, TypeError):
                break
        return line

    def error(self, key_path: KeyPath, problem: str, hint: str = "") -> ContractError:
        """A problem at a key."""
        return ContractError(self.file, self.line(key_path), _dotted(key_path), problem, hint)

    def build(self, model: type[Model], *, known_keys: Iterable[str] = ()) -> Model:
        """The file as a `model`, or a ContractError with every problem, in the order of the lines."""
        if not isinstance(self.root, CommentedMap):
            raise self.error((), "the file holds no mapping of keys", "begin it with `key: value` lines")
        try:
            return model.model_validate(self.data)
        except ValidationError as invalid:
            details = invalid.errors(include_url=False)
            found = [self._explained(detail, known_keys) for detail in details]
            raise first_of(_without_consequences(found)) from invalid

    def _explained(self, detail: ErrorDetails, known_keys: Iterable[str]) -> ContractError:
        place = tuple(key for key in detail["loc"] if key != "[key]")
        problem = detail["msg"].removeprefix("Value error, ")
        match detail["type"]:
            case "missing":
                return self.error(place, _MISSING, "add it")
            case "extra_forbidden":
                near = difflib.get_close_matches(str(place[-1]), list(known_keys), n=1)
                hint = f"did you mean `{near[0]}`?" if near else "remove it"
                return self.error(place, "unknown key", hint)
            case "value_error":
                return self.error(place, problem)
            case _:
                return self.error(place, f"{problem}, not {detail['input']!r:.80}", "correct the value")


def _without_consequences(errors: list[ContractError]) -> list[ContractError]:
    """A key that is missing because it is misspelled is one mistake, not two."""
    meant = {_meant_key(error) for error in errors}
    return [error for error in errors if error.problem != _MISSING or error.key not in meant]


def _meant_key(error: ContractError) -> str | None:
    """The key that an unknown one was probably meant to be."""
    match = _MEANT.fullmatch(error.hint)
    above, dot, _ = error.key.rpartition(".")
    return f"{above}{dot}{match[1]}" if match else None


def first_of(errors: Iterable[ContractError]) -> ContractError:
    """All errors as one, the one that stands first in the file leading."""
    first, *others = sorted(errors, key=lambda error: error.line)
    return ContractError(first.file, first.line, first.key, first.problem, first.hint, others)


def read_document(file: Path) -> Document:
    """Parses a YAML file. Not readable, not YAML, or a key twice: ContractError."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ContractError(
            file, 0, "", f"cannot be read: {error.strerror}", "check path and rights"
        ) from error
    except UnicodeDecodeError as error:
        raise ContractError(file, 0, "", "is not UTF-8 text", "save it as UTF-8") from error
    try:
        return Document(file, YAML(typ="rt", pure=True).load(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = str(error.problem or error.context).splitlines()[0]
        line = mark.line + 1 if mark else 1
        raise ContractError(file, line, "", f"is not valid YAML: {problem}", "correct the line") from error
    except YAMLError as error:
        raise ContractError(file, 1, "", f"is not valid YAML: {error}", "correct it") from error
    except RecursionError:
        raise _too_deep(file) from None
    except ValueError as error:
        problem = f"holds a number or a date that is none: {error}"
        raise ContractError(file, 0, "", problem, "correct it, or put it in quotes") from error


class _Plain:
    """ruamel's round-trip types without their positions, and each alias with what it stands for."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: set[int] = set()
        self._repeated = 0

    def of(self, node: Any) -> Any:
        match node:
            case Mapping():
                self._count(node)
                return {self.of(key): self.of(value) for key, value in node.items()}
            case list():
                self._count(node)
                return [self.of(item) for item in node]
            case bool() | None:
                return node
            case int():
                return int(node)
            case float():
                return float(node)
            case str():
                return str(node)
            case _:
                return node if not hasattr(node, "value") else node.value

    def _count(self, node: Mapping[Any, Any] | list[Any]) -> None:
        """What is met again is there by an alias; a file without any may be as large as it is."""
        if id(node) in self._seen:
            self._repeated += 1 + len(node)
            if self._repeated > MOST_REPEATED:
                problem = f"has more than {MOST_REPEATED} values by aliases"
                raise ContractError(self._file, 0, "", problem, "write out what is meant")
        self._seen.add(id(node))


def _too_deep(file: Path) -> ContractError:
    return ContractError(file, 0, "", "is nested too deeply", "write it flatter")


def _dotted(key_path: KeyPath) -> str:
    return ".".join(map(str, key_path))
