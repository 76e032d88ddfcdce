"""The course of a soak as a picture, and as a table of its thirds."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure

from tests.faults.rig.sinks import SINKS
from tests.faults.soak.sampler import Sample

MOST_GROWTH = 1.1
"""What must stay as it is may be this much more in the last third than in the first."""

WARM_UP_SECONDS = 60.0
"""Until buffers are as full as they get, and there is a last minute to ask for."""

Measure = Callable[[Sample], float | None]

STEADY: dict[str, Measure] = {
    **{f"memory of {sink} (MiB)": (lambda sample, sink=sink: sample.memory[sink] or None) for sink in SINKS},
    "commit of history (ms)": lambda sample: sample.commit_ms["history"],
    "query of the last minute (ms)": lambda sample: sample.query_ms,
}
COURSE: dict[str, Measure] = {
    **{f"lag of {sink} (messages)": (lambda sample, sink=sink: sample.lag[sink]) for sink in SINKS},
    "files of bronze": lambda sample: sample.files,
    "commits of bronze": lambda sample: sample.versions,
    "messages sent": lambda sample: sample.produced,
    "processors busy (%)": lambda sample: sample.busy_percent,
    "fixed work (ms of processor)": lambda sample: sample.fixed_work_ms,
}


def thirds(samples: Sequence[Sample], measure: Measure) -> tuple[float, float, float]:
    """The median of each third after the warm-up; what was not measured at a look is left out."""
    samples = [sample for sample in samples if sample.second >= WARM_UP_SECONDS] or samples
    found: list[float] = []
    size = len(samples) // 3
    for part in (samples[:size], samples[size : 2 * size], samples[2 * size :]):
        values = [value for value in map(measure, part) if value is not None]
        found.append(median(values) if values else float("nan"))
    return found[0], found[1], found[2]


def growth(samples: Sequence[Sample]) -> dict[str, float]:
    """Last third over first third, of all that must stay as it is."""
    parts = {name: thirds(samples, measure) for name, measure in STEADY.items()}
    return {name: round(last / first, 3) for name, (first, _, last) in parts.items()}


def table(samples: Sequence[Sample]) -> str:
    """Medians of the thirds, as Markdown."""
    lines = ["| | first third | second | last third | last / first |", "|---|--:|--:|--:|--:|"]
    for name, measure in {**STEADY, **COURSE}.items():
        first, second, last = thirds(samples, measure)
        ratio = f"{last / first:.2f}" if name in STEADY else ""
        digits = 1 if name.startswith("fixed work") else 0
        parts = " | ".join(f"{part:,.{digits}f}" for part in (first, second, last))
        lines.append(f"| {name} | {parts} | {ratio} |")
    return "\n".join(lines)


def draw(samples: Sequence[Sample], path: Path) -> None:
    """Four panels over time: memory, lag, latencies, files and commits."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True)
    minutes = [sample.second / 60 for sample in samples]
    for sink in SINKS:
        panels[0, 0].plot(minutes, [s.memory[sink] or float("nan") for s in samples], label=sink)
        panels[0, 1].plot(minutes, [s.lag[sink] for s in samples], label=sink)
    panels[1, 0].plot(
        minutes, [s.commit_ms["history"] or float("nan") for s in samples], ".", label="commit of history"
    )
    panels[1, 0].plot(minutes, [s.query_ms for s in samples], label="query of the last minute")
    panels[1, 1].plot(minutes, [s.files for s in samples], label="files of bronze")
    panels[1, 1].plot(minutes, [s.versions for s in samples], label="commits of bronze")
    for panel, title in zip(
        panels.flat, ("memory, MiB", "lag, messages", "latency, ms", "bronze"), strict=True
    ):
        panel.set_title(title, loc="left")
        panel.set_ylim(bottom=0)
        panel.grid(visible=True, alpha=0.3)
        panel.legend(fontsize="small")
    for panel in panels[1]:
        panel.set_xlabel("minutes")
    figure.savefig(path, dpi=110)
