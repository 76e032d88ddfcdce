"""What can go wrong in a simulation or a replay, apart from Kafka's own failures.

SimulateError
├── BadRequest          arguments that cannot be met
├── UnknownSource       no contract of that name
├── RecordingError      a file that cannot be replayed
└── NothingValid        a file whose messages the contract rejects
"""

from collections.abc import Iterable
from pathlib import Path


class SimulateError(Exception):
    """Base of everything below."""


class BadRequest(SimulateError):
    """Options that contradict each other or ask for the impossible.

    Operator action: change the option that the message names.
    """

    def __init__(self, option: str, problem: str) -> None:
        self.option, self.problem = option, problem
        super().__init__(f"{option}: {problem}")


class UnknownSource(SimulateError):
    """A source without a contract.

    Operator action: choose one of the known sources, or add the contract file to the settings.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name, self.known = name, sorted(known)
        super().__init__(f"no source is called {name!r}; known are {', '.join(self.known)}")


class RecordingError(SimulateError):
    """A file that is missing, empty, binary or broken at `place` (a line, a row).

    Operator action: look at the file at that place; `--format` says how to read it where the guess is wrong.
    """

    def __init__(self, path: Path, problem: str, place: str | None = None) -> None:
        self.path, self.problem, self.place = path, problem, place
        super().__init__(f"{path}: {problem}" + (f" ({place})" if place else ""))


class NothingValid(SimulateError):
    """No message that was looked at is one of the source: probably the file of another one.

    Operator action: `fleetlake contracts check` shows what the contract makes of it; `--force` sends it.
    """

    def __init__(
        self, path: Path, source: str, judged: int, reason: str, count: int, *, is_all: bool
    ) -> None:
        self.path, self.source, self.judged, self.reason, self.count = path, source, judged, reason, count
        which = "its messages" if is_all else f"its first {judged:,} messages"
        why = f"{reason}: {count:,} of {judged:,}"
        super().__init__(
            f"{path}: nothing was sent, none of {which} is valid for source {source} ({why}); "
            f"`fleetlake contracts check {source} {path}` shows more, --force sends it nevertheless"
        )
