"""What stands for the makings of a day is the same for whoever looks."""

import os
import subprocess
import sys

NUMBERS = """
from lake.snapshot import Snapshot
from transforms.due import Makings
from transforms.load import load_models
from transforms.settings import TransformSettings

given = TransformSettings().parameters()
for name, model in sorted(load_models().items()):
    if not name.startswith("gold."):
        continue
    sources = {read: Snapshot(read, 1, {"2026-03-10": 7, "all": 5}) for read in model.reads}
    parameters = {each: given[each] for each in model.parameters}
    day = "2026-03-10" if model.about.partition else "all"
    print(name, Makings(model, sources, parameters).number(day))
"""


def numbers(seed: int) -> list[str]:
    """Of all models, in a process whose sets and dicts have an order of their own."""
    environment = os.environ | {"PYTHONHASHSEED": str(seed)}
    told = subprocess.run(
        [sys.executable, "-c", NUMBERS], env=environment, capture_output=True, text=True, check=True
    )
    return told.stdout.splitlines()


def test_every_process_gives_a_day_the_same_number() -> None:
    """Else all days would be due for each process that looks."""
    first = numbers(1)
    assert len(first) > 10
    assert first == numbers(2) == numbers(3)
