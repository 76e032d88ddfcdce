"""What binds a supervised process to its supervisor: a socket on its standard input. When the supervisor goes
away, however suddenly, the child reads the end of the stream and stops; before a failing child ends, it says
its reason there. Nothing of it depends on one operating system's process control."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

MAX_REASON_BYTES = 4096
LAST_GRACE_SECONDS = 15.0
"""After this an orphan that did not finish its batch ends all the same."""


class ParentEnd:
    """The supervisor's end for one child."""

    def __init__(self) -> None:
        self._mine, self._theirs = socket.socketpair()

    def child_stdin(self) -> int:
        """The file descriptor that becomes the child's standard input."""
        return self._theirs.fileno()

    def started(self) -> None:
        """Closes the child's end here, so that only the child holds it."""
        self._theirs.close()

    def reason(self) -> str | None:
        """What the child said before it ended, if it said something."""
        with suppress(OSError):
            self._mine.setblocking(False)
            return self._mine.recv(MAX_REASON_BYTES).decode(errors="replace") or None
        return None

    def close(self) -> None:
        self._mine.close()
        self._theirs.close()


class ChildEnd:
    """The child's end: its standard input."""

    def __init__(self, stdin: int = 0) -> None:
        self._socket = socket.socket(fileno=os.dup(stdin))

    def watch(self, orphaned: Callable[[], None]) -> None:
        """Calls `orphaned` in a thread of its own once the supervisor is gone."""
        threading.Thread(target=self._watch, args=(orphaned,), name="lifeline", daemon=True).start()

    def say(self, reason: str) -> None:
        """Leaves the supervisor the reason of a failure."""
        with suppress(OSError):
            self._socket.sendall(reason.encode()[:MAX_REASON_BYTES])

    def _watch(self, orphaned: Callable[[], None]) -> None:
        with self._socket, suppress(ConnectionError):
            while self._socket.recv(1):
                pass
        orphaned()


def stop_myself(grace_seconds: float = LAST_GRACE_SECONDS) -> None:
    """What an orphan does: the same as on SIGTERM, and the hard way when that takes too long."""
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(grace_seconds)
    os._exit(1)
