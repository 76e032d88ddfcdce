"""Reads docker-compose.yml as Docker Compose does, as far as this project's files go: merge keys, variables,
and what a service says of itself. tests/infra compares the result with that of Compose's own library."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

COMPLETED, HEALTHY = "service_completed_successfully", "service_healthy"
OUR_IMAGES = frozenset({"fleetlake", "fleetlake-dagster"})
VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*))")
DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class ComposeError(Exception):
    """The file cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class Mount:
    """What a container finds under a path: a named volume, or a file or folder of the project."""

    source: str
    target: str
    is_volume: bool


@dataclass(frozen=True, slots=True)
class Dependency:
    """What must be so of another service before one starts."""

    service: str
    condition: str
    is_required: bool


@dataclass(frozen=True)
class Service:
    """One service, with every variable filled in."""

    name: str
    values: Mapping[str, Any]
    secrets: Mapping[str, str]
    """Files of the project by the names of secrets."""

    @property
    def is_ours(self) -> bool:
        """Whether it runs Fleetlake's code."""
        return str(self.values.get("image", "")).partition(":")[0] in OUR_IMAGES

    @property
    def profiles(self) -> frozenset[str]:
        return frozenset(self.values.get("profiles", ()))

    @property
    def command(self) -> list[str]:
        return [str(word) for word in self.values.get("command", ())]

    @property
    def environment(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.values.get("environment", {}).items()}

    @property
    def user(self) -> str:
        return str(self.values.get("user", ""))

    @property
    def stop_signal(self) -> str:
        return str(self.values.get("stop_signal", "SIGTERM"))

    @property
    def grace_s(self) -> float:
        """How long a stop waits before it kills; Docker's default is 10 s."""
        return seconds(str(self.values.get("stop_grace_period", "10s")))

    @property
    def health(self) -> Mapping[str, Any]:
        """Its health check; empty where it has none."""
        found: Mapping[str, Any] = self.values.get("healthcheck", {})
        return found

    @property
    def health_s(self) -> float:
        """After this long without a good answer Docker calls it unhealthy."""
        health = self.health
        pause = seconds(str(health.get("interval", "30s"))) + seconds(str(health.get("timeout", "30s")))
        return seconds(str(health.get("start_period", "0s"))) + int(health.get("retries", 3)) * pause

    @property
    def depends_on(self) -> list[Dependency]:
        return [
            Dependency(name, str(given["condition"]), bool(given.get("required", True)))
            for name, given in self.values.get("depends_on", {}).items()
        ]

    @cached_property
    def mounts(self) -> list[Mount]:
        """Volumes, files and secrets."""
        found = []
        for text in self.values.get("volumes", ()):
            source, target = str(text).split(":")[:2]
            found.append(Mount(source, target, not source.startswith(".")))
        for given in self.values.get("secrets", ()):
            name, target = (given, given) if isinstance(given, str) else (given["source"], given["target"])
            place = target if target.startswith("/") else f"/run/secrets/{target}"
            found.append(Mount(self.secrets[name], place, is_volume=False))
        return found


def load(file: Path, variables: Mapping[str, str]) -> dict[str, Service]:
    """All services of the file, whatever their profiles. ComposeError where a variable must be set."""
    content = _filled(YAML(typ="safe", pure=True).load(file.read_text()), variables)
    secrets = {name: str(given["file"]) for name, given in content.get("secrets", {}).items()}
    return {name: Service(name, values, secrets) for name, values in content["services"].items()}


def chosen(services: Mapping[str, Service], profiles: Iterable[str]) -> dict[str, Service]:
    """Those that start with these profiles."""
    wanted = frozenset(profiles)
    return {
        name: service
        for name, service in services.items()
        if not service.profiles or service.profiles & wanted
    }


def in_order(services: Mapping[str, Service]) -> list[Service]:
    """Each after those that it depends on. ComposeError where one of them is missing, or depends on it."""
    ordered: dict[str, Service] = {}

    def put(service: Service, above: tuple[str, ...]) -> None:
        if service.name in above:
            problem = f"services depend on each other: {' -> '.join([*above, service.name])}"
            raise ComposeError(problem)
        for dependency in service.depends_on:
            if dependency.service in services:
                put(services[dependency.service], (*above, service.name))
            elif dependency.is_required:
                problem = f"{service.name} depends on {dependency.service}, which no chosen profile starts"
                raise ComposeError(problem)
        ordered.setdefault(service.name, service)

    for service in services.values():
        put(service, ())
    return list(ordered.values())


def read_variables(file: Path) -> dict[str, str]:
    """The variables of an .env file as `make env` writes it: NAME=value, without quotes."""
    lines = (line.partition("=") for line in file.read_text().splitlines() if not line.startswith("#"))
    return {name: value for name, equals, value in lines if equals}


def seconds(text: str) -> float:
    """A duration as Compose writes it: 90s, 1m30s, 500ms."""
    parts = list(DURATION.finditer(text))
    if "".join(part.group(0) for part in parts) != text:
        problem = f"{text!r} is no duration"
        raise ComposeError(problem)
    return sum(float(part["number"]) * SECONDS[part["unit"]] for part in parts)


def filled(text: str, variables: Mapping[str, str]) -> str:
    """A text with its variables: ${NAME}, ${NAME:-default}, ${NAME:?what to do}, one in the other."""
    return "".join(_pieces(text, variables))


def _pieces(text: str, variables: Mapping[str, str]) -> Iterator[str]:
    at = 0
    while (found := VARIABLE.search(text, at)) is not None:
        yield text[at : found.start()]
        at = found.end()
        if found["dollar"]:
            yield "$"
        elif found["bare"]:
            yield variables.get(found["bare"], "")
        else:
            at = _end(text, found.end("name"))
            yield _value(found["name"], text[found.end("name") : at - 1], variables)
    yield text[at:]


def _end(text: str, at: int) -> int:
    """Behind the brace that closes the one before `at`."""
    depth = 1
    while depth:
        if at == len(text):
            problem = f"a brace is open in {text!r}"
            raise ComposeError(problem)
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at


def _value(name: str, rest: str, variables: Mapping[str, str]) -> str:
    value = variables.get(name, "")
    if value or not rest:
        return value
    if rest.startswith(":-"):
        return filled(rest[2:], variables)
    if rest.startswith(":?"):
        problem = f"{name} is not set: {rest[2:]}"
        raise ComposeError(problem)
    problem = f"${{{name}{rest}}} is a form of variable that is not known here"
    raise ComposeError(problem)


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return filled(value, variables)
    if isinstance(value, Mapping):
        return {key: _filled(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, variables) for each in value]
    return value
