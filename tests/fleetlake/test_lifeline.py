"""A supervised process does not outlive its supervisor."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from fleetlake.stack.processes import identify
from fleetlake.stack.server import wait_until

CHILD = """
import signal, sys, time
from pathlib import Path
from fleetlake.stack.lifeline import ChildEnd, stop_myself
finished = Path(sys.argv[1])
def stop(*_):
    finished.write_text("finished the batch")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
ChildEnd().watch(stop_myself)
print("up", flush=True)
while True:
    time.sleep(60)
"""

SUPERVISOR = """
import sys
from pathlib import Path
from fleetlake.stack.child import Backoff, Child, ChildSpec
from fleetlake.stack.server import wait_until
log = Path(sys.argv[2])
spec = ChildSpec("child", [sys.executable, "-c", sys.argv[1], sys.argv[3]], log=log)
child = Child(spec, Backoff(), lambda: 0)
child.start()
assert wait_until(lambda: log.read_text().startswith("up"), 20)
print(child.identity.pid, flush=True)
sys.stdin.read()
"""


def test_children_of_a_killed_supervisor_finish_and_end(tmp_path: Path) -> None:
    """kill -9 of the supervisor: the child does what it does on SIGTERM."""
    finished = tmp_path / "finished"
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, CHILD, str(tmp_path / "log"), str(finished)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert supervisor.stdout is not None
    assert supervisor.stdin is not None
    child = identify(int(supervisor.stdout.readline()))
    assert child is not None
    assert child.is_alive
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    supervisor.stdout.close()
    supervisor.stdin.close()
    assert wait_until(lambda: not child.is_alive, 10)
    assert finished.read_text() == "finished the batch"
