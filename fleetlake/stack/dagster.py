"""Dagster beside the stack: its webserver and its daemon, which keep silver and the marts up to date. They
are started last and stopped first, and the stack does not depend on them."""

import sys
from collections.abc import Iterator

from fleetlake.settings import DATA_DIR_VARIABLE, Settings, child_environment
from fleetlake.stack.child import ChildSpec
from fleetlake.stack.layout import Layout, dagster_home
from fleetlake.stack.server import LOOPBACK
from orchestration.home import HOME_VARIABLE, prepare

WEBSERVER, DAEMON = "dagster", "dagster-daemon"
CODE = ("-m", "fleetlake.dagster_code")
SINKS_FIRST = ("nice", "-n", "10")
"""Where processors are scarce: marts may be late, messages may not."""

STOP_SECONDS = 20.0
"""A run that is under way ends itself when its daemon stops; what it has not committed is due again."""


def dagster_specs(settings: Settings, layout: Layout, port: int) -> Iterator[ChildSpec]:
    """Both processes, over one instance in the data folder."""
    home = str(prepare(dagster_home(settings)))
    environment = child_environment({DATA_DIR_VARIABLE: str(layout.root), HOME_VARIABLE: home})
    commands = {
        WEBSERVER: ["dagster_webserver", "--host", LOOPBACK, "--port", str(port), *CODE],
        DAEMON: ["dagster._daemon", "run", *CODE],
    }
    for name, words in commands.items():
        command = [*SINKS_FIRST, sys.executable, "-m", "orchestration.instance", home, *words]
        yield ChildSpec(name, command, environment, layout.log(name))
