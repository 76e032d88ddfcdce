"""Whether a service answers: `python -m fleetlake.probe 127.0.0.1:9100/metrics` asks over HTTP, and without a
path it only connects. Exit code 0 or 1.

For health checks of containers, which have no curl, every few seconds: it loads nothing of Fleetlake.
"""

import socket
import sys
import urllib.request

TIMEOUT_SECONDS = 4.0


def trouble(place: str) -> str | None:
    """What is wrong with `host:port` or `host:port/path`; None where nothing is."""
    address, slash, path = place.partition("/")
    host, _, port = address.rpartition(":")
    try:
        if slash:
            urllib.request.urlopen(f"http://{address}/{path}", timeout=TIMEOUT_SECONDS).close()
        else:
            socket.create_connection((host, int(port)), TIMEOUT_SECONDS).close()
    except (OSError, ValueError) as error:
        return f"{place}: {error}"
    return None


if __name__ == "__main__":
    found = trouble(sys.argv[-1])
    if found is not None:
        print(found, file=sys.stderr)  # noqa: T201 - what `docker inspect` shows of the check
    sys.exit(found is not None)
