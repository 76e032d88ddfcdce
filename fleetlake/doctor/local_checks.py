"""Checks of this machine: the settings, the data folder, what runs in it, and the disk."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from contracts.errors import ContractError
from contracts.load import load_registry
from fleetlake.doctor.findings import Finding, fine, note, wrong
from fleetlake.settings import Settings, is_explicit, unread_variables
from fleetlake.stack.embedded import SNAPSHOT
from fleetlake.stack.layout import Layout, dagster_home
from fleetlake.stack.runfile import is_held, read_stack
from fleetlake.stack.unread import hindrance
from orchestration.home import CONFIG

GIB = 1024**3
RECENT = timedelta(days=1)
LITTLE_DISK_BYTES = 5 * GIB
NO_DISK_BYTES = 1 * GIB
LARGE_SNAPSHOT_BYTES = 1 * GIB
EMBEDDED = {"noida_db": ("kafka", "bootstrap_servers"), "secantus": ("mongo", "uri")}


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Variables that nothing reads, and the contracts that the settings name."""
    for name in unread_variables():
        yield note(
            "settings", f"{name} is set, but there is no such setting", "correct or remove the variable"
        )
    registry = load_registry(settings.contracts)
    yield fine("settings", f"{len(registry.contracts)} contracts, {len(registry.topics())} source topics")


def check_stack(layout: Layout) -> Iterator[Finding]:
    """Whether a stack runs here, and how it is."""
    stack = read_stack(layout)
    if not is_held(layout):
        yield from _check_leftovers(layout)
        return
    if stack is None:
        yield note("stack", f"a stack is being started in {layout.root}")
        return
    yield fine("stack", f"{stack.state.value} in {layout.root} (pid {stack.pid})")
    for process in stack.processes:
        if process.state == "needs operator":
            action = f"do what it says; then `fleetlake down` and `up`; its log is {layout.log(process.name)}"
            yield wrong("stack", f"{process.name} cannot go on: {process.reason or 'see its log'}", action)
        elif process.state not in ("running", "new"):
            yield note(
                "stack", f"{process.name} is {process.state}", f"its log is {layout.log(process.name)}"
            )
        elif process.restarts:
            yield note("stack", f"{process.name} was started again {process.restarts} times")


def check_runs(settings: Settings) -> Iterator[Finding]:
    """Dagster's runs of the last day that failed, and that nothing has made up for since."""
    home = dagster_home(settings)
    if not (home / CONFIG).exists():
        return
    from orchestration.failures import not_made_up_for

    for failure in not_made_up_for(home, datetime.now(UTC) - RECENT):
        what = f": {', '.join(failure.steps)}" if failure.steps else ""
        fact = f"run {failure.run_id[:8]} of {_job(failure.job)} failed at {failure.ended:%H:%M} UTC{what}"
        yield note("dagster", fact, "its page in Dagster says why; `fleetlake materialize` makes what is due")


def _job(name: str) -> str:
    """Dagster's own name of the runs that `materialize` and its pages begin says nothing to a person."""
    return "assets" if name == "__ASSET_JOB" else name


def check_sinks(settings: Settings) -> Iterator[Finding]:
    """Whether the stack's sinks read every source topic of these contracts."""
    try:
        registry = load_registry(settings.contracts)
    except ContractError:
        return  # the check of the settings names it
    found = hindrance(settings, registry)
    if found is not None:
        judge = note if found.is_chosen else wrong
        yield judge("sinks", found.fact, found.action)


def _check_leftovers(layout: Layout) -> Iterator[Finding]:
    stack = read_stack(layout)
    left = [process for process in stack.processes if process.is_alive] if stack is not None else []
    if left:
        names = ", ".join(f"{process.name} (pid {process.pid})" for process in left)
        yield wrong("stack", f"a killed stack left running: {names}", "`fleetlake down` or `up` ends them")
    else:
        yield note("stack", f"no stack runs in {layout.root}", "`fleetlake up --detach` starts one")


def check_embedded(layout: Layout) -> Iterator[Finding]:
    """The servers of the local stack: installed, and not grown too large."""
    for package, setting in EMBEDDED.items():
        if find_spec(package) is None and not is_explicit(*setting):
            action = "install the extra `local`, or set the server's address"
            yield note("stack", f"the embedded {setting[0]} ({package}) is not installed", action)
    snapshot = layout.kafka / SNAPSHOT
    if snapshot.exists() and snapshot.stat().st_size > LARGE_SNAPSHOT_BYTES:
        size = snapshot.stat().st_size / GIB
        yield note(
            "stack",
            f"the embedded broker's log is {size:.1f} GiB: it starts and stops slowly, and a kill takes back "
            f"several seconds of messages",
            "for more than trying out, set FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS to a real Kafka",
        )


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Free space where the stack and a local lake write."""
    places = {"data folder": settings.data_dir.absolute()}
    if "://" not in settings.lake.uri:
        places["lake"] = Path(settings.lake.uri).absolute()
    for name, folder in places.items():
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(existing).free
        fact = f"{free / GIB:.1f} GiB free for the {name} at {folder}"
        if free < NO_DISK_BYTES:
            yield wrong(
                "disk", fact, "free some: a full disk stops the sinks and loses the embedded broker's log"
            )
        elif free < LITTLE_DISK_BYTES:
            yield note("disk", fact, "free some before it is full")
        else:
            yield fine("disk", fact)
