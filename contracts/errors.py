"""What is wrong with a definition file: which file, line and key, and what to do about it."""

from collections.abc import Sequence
from pathlib import Path


class ContractError(Exception):
    """A contract or catalog file cannot be used. Line 0 is the file as a whole.

    Operator action: open the file at the line and change the key as the hint says.
    """

    def __init__(
        self,
        file: Path,
        line: int,
        key: str,
        problem: str,
        hint: str,
        also: "Sequence[ContractError]" = (),
    ) -> None:
        self.file, self.line, self.key, self.problem, self.hint = file, line, key, problem, hint
        self.also = tuple(also)
        place = f"{file}:{line}" if line else str(file)
        where = f"{place}: {key}: " if key else f"{place}: "
        text = f"{where}{problem}; {hint}" if hint else f"{where}{problem}"
        super().__init__("\n".join([text, *map(str, self.also)]))
