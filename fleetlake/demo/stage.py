"""How the demo talks: a heading and a command a stage, a pause when asked to step, a table at the end."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from fleetlake.demo.tables import tables
from fleetlake.demo.verdicts import Verdict


class Narrator:
    """Writes to the terminal, or as plain lines elsewhere."""

    def __init__(
        self,
        console: Console,
        *,
        steps: bool,
        ask: Callable[[str], object] = input,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console, self._steps, self._ask, self._clock = console, steps, ask, clock
        self._began = clock()
        self._number = 0

    @contextmanager
    def stage(self, title: str, explanation: str, commands: Sequence[str] = ()) -> Iterator[None]:
        """One stage: what happens and why, then how long it took."""
        self._number += 1
        self.console.print(f"\n[bold]{self._number}. {title}[/bold]")
        if self._steps:
            self.console.print(explanation)
        for command in commands:
            self.console.print(f"   [dim]$ {command}[/dim]")
        if self._steps:
            self._ask("   Enter goes on... ")
        began = self._clock()
        yield
        self.say(f"done in {self._clock() - began:.1f} s")

    def heading(self, text: str) -> None:
        """A line that stands out."""
        self.console.print(f"\n[bold]{text}[/bold]")

    def say(self, text: str) -> None:
        """One line of a stage."""
        self.console.print(f"   {text}")

    def verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """The claims, and whether they hold."""
        for table in tables(verdicts):
            self.console.print()
            self.console.print(table)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return self._clock() - self._began
