"""Traffic that goes on after a demo whose stack is kept, until that stack stops: the live page has something
to show. A process of its own: `python -m fleetlake.demo.traffic`."""

import fcntl
import subprocess
import sys
import time

from broker.producer import Producer
from contracts.load import load_registry
from fleetlake.settings import DATA_DIR_VARIABLE, Settings, child_environment
from fleetlake.stack.layout import Layout, layout_of
from fleetlake.stack.logs import open_log
from fleetlake.stack.runfile import StackState, read_stack
from simulate.outlets import KafkaOutlet
from simulate.pacing import Clock
from simulate.plan import Request
from simulate.run import Simulation

MOVING = ("car", "environment")
"""Sources whose messages say where the vehicle is."""
VEHICLES = 20
RATE = 40.0
"""A message a second and vehicle."""
LONGEST_S = 8 * 3600.0
"""The embedded broker keeps its log in memory."""
LOOK_EVERY_S = 1.0
LOCK = "traffic.lock"
"""In the run folder: held by the one process that sends."""


def start_traffic(layout: Layout) -> None:
    """Starts it and leaves it alone; what it has to say is in its log."""
    with open_log(layout.log("traffic")) as log:
        subprocess.Popen(
            [sys.executable, "-m", "fleetlake.demo.traffic"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=child_environment({DATA_DIR_VARIABLE: str(layout.root)}),
            start_new_session=True,
        )


class WhileItRuns:
    """Tells that the stack of a data folder has stopped, or is about to; looks now and then."""

    def __init__(self, layout: Layout) -> None:
        self._layout, self._next, self._is_over = layout, 0.0, False

    def is_over(self) -> bool:
        if not self._is_over and time.monotonic() >= self._next:
            self._next = time.monotonic() + LOOK_EVERY_S
            stack = read_stack(self._layout)
            self._is_over = stack is None or not stack.is_running or stack.state is StackState.STOPPING
        return self._is_over


def main() -> None:
    """Sends until the stack stops, unless another demo's traffic flows already."""
    settings = Settings()
    with (layout_of(settings.data_dir).run / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        send(settings)


def send(settings: Settings) -> None:
    """What moving vehicles say, each when it is due."""
    request = Request(
        sources=MOVING,
        vehicles=VEHICLES,
        rate=RATE,
        duration_s=LONGEST_S,
        present_us=time.time_ns() // 1000,
        seed=time.time_ns() % 1_000_000,
    )
    stack = WhileItRuns(layout_of(settings.data_dir))
    clock = Clock(time.monotonic, time.sleep, stack.is_over)
    simulation = Simulation(request, load_registry(settings.contracts))
    simulation.run(KafkaOutlet(Producer(settings.kafka)), clock, lambda progress: None)


if __name__ == "__main__":
    main()
