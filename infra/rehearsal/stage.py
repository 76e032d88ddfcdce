"""A container's surroundings without a container: its files below a folder of its own, an address of
127.0.0.0/8 of its own, and every name and path in what it is told put into these. So each service keeps its
ports, and its replicas too."""

import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from infra.compose_file import Mount, Service

PATHS = re.compile(r"(?<![\w:/.-])/(?:var/lib|etc|run/secrets|tmp)/[\w./-]+")
"""Paths in a container that mean something to a service of ours."""

HOME = "/var/lib/fleetlake"
PROGRAMS = {"fleetlake": ("-m", "fleetlake.cli"), "python": ()}
"""Those that this Python runs by itself; others lie beside it."""


@dataclass
class Stage:
    """Where one rehearsal happens."""

    folder: Path
    project: Path
    servers: Mapping[str, str]
    """host:port of a server in the file, and where its stand-in listens."""

    words: Mapping[str, str] = field(default_factory=dict)
    """Whatever else stand-ins are told by other words."""

    hosts: dict[str, str] = field(default_factory=dict)
    """The address of each service's first replica."""

    def address(self, service: str, replica: int = 1) -> str:
        """The address of a replica: 127.88.<service>.<replica>."""
        if service not in self.hosts:
            self.hosts[service] = f"127.88.{len(self.hosts) + 1}.1"
        return f"{self.hosts[service].rpartition('.')[0]}.{replica}"

    def path(self, service: Service, replica: int, inside: str) -> Path:
        """Where a path of the container is."""
        holding = [each for each in service.mounts if each.is_volume and _is_below(inside, each.target)]
        if holding:
            deepest = max(holding, key=lambda each: len(each.target))
            rest = PurePosixPath(inside).relative_to(deepest.target)
            return self.folder / "volumes" / deepest.source / rest
        return self.folder / "containers" / f"{service.name}-{replica}" / inside.lstrip("/")

    def furnish(self, service: Service, replica: int) -> None:
        """Makes volumes, and copies what is mounted from the project or was made for it."""
        for inside in (HOME, "/tmp"):  # noqa: S108 - a path of the container
            self.path(service, replica, inside).mkdir(parents=True, exist_ok=True)
        for mount in sorted(service.mounts, key=lambda each: not each.is_volume):
            place = self.path(service, replica, mount.target)
            if mount.is_volume:
                place.mkdir(parents=True, exist_ok=True)
            else:
                self._copy(mount, place, service, replica)

    def said(self, text: str, service: Service, replica: int) -> str:
        """The text as it is meant here."""
        own = self.address(service.name, replica)
        text = re.sub(r"(?<![\d.])(?:127\.0\.0\.1|0\.0\.0\.0)(?![\d.])", own, text)
        for name, place in self.servers.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?!\d)", place, text)
        for name, address in self.hosts.items():
            text = re.sub(rf"(?:(?<=//)|(?<=@)|^){name}(?=:\d)|(?<=host: ){name}\b", address, text)
        for word, meant in self.words.items():
            text = text.replace(word, meant)
        return PATHS.sub(lambda found: str(self.path(service, replica, found.group(0))), text)

    def command(self, service: Service, replica: int, words: list[str]) -> list[str]:
        """A command line of the container, by the programs of this environment."""
        program, *rest = (self.said(word, service, replica) for word in words)
        if program in PROGRAMS:
            return [sys.executable, *PROGRAMS[program], *rest]
        return [str(Path(sys.executable).parent / program), *rest]

    def environment(self, service: Service, replica: int) -> dict[str, str]:
        """What the file gives it, what its image does, and nothing of ours."""
        given = {name: self.said(value, service, replica) for name, value in service.environment.items()}
        home = str(self.path(service, replica, HOME))
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": home,
            "TMPDIR": str(self.path(service, replica, "/tmp")),  # noqa: S108 - a path of the container
            "PYTHONPATH": str(self.project),
            "PYTHONUNBUFFERED": "1",
            "FLEETLAKE_DATA_DIR": home,
            **given,
        }

    def _copy(self, mount: Mount, place: Path, service: Service, replica: int) -> None:
        """Files of the project from there, those that `make env` made from the rehearsal's folder."""
        made = self.folder / mount.source
        source = made if made.exists() else self.project / mount.source
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True)
        else:
            place.write_text(self.said(source.read_text(), service, replica))


def _is_below(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)
