"""Every setting as a person should see it: its value, and where it comes from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fleetlake.masking import shown
from fleetlake.settings import STACK_FILE, Settings, Source, explicit_values, stack_values


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One setting as a person should see it: secrets are masked."""

    name: str
    value: Any
    source: Source


def describe(settings: Settings, *, data_dir_is_option: bool = False) -> list[SettingValue]:
    """Every setting with its value and its source."""
    explicit = explicit_values()
    stack = stack_values(settings.data_dir, explicit)
    has_stack = (settings.data_dir / STACK_FILE).exists()
    found = []
    for path, value in _leaves(settings.model_dump()):
        source: Source = "default"
        if _has(explicit, path):
            source = "option" if data_dir_is_option and path == ("data_dir",) else "environment"
        elif _has(stack, path):
            source = "stack" if has_stack else "data folder"
        found.append(SettingValue(".".join(path), shown(path, value), source))
    return found


def _leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _has(values: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(values, Mapping) or name not in values:
            return False
        values = values[name]
    return True
