"""docker-compose.yml without Docker: every service of ours runs as the file says, as a process on loopback.

    python infra/rehearse.py                    # or `make rehearse`; exit code 1 where anything is not as
    promised python infra/rehearse.py --json result.json

Command, environment, user, health check, stop signal and grace are the file's. Kafka, MinIO, MongoDB and
PostgreSQL are those that this machine has (infra/rehearsal/stand_ins.py), in place of their images. Traffic
flows, each sink is scaled to three and back under it, and the audit is clean. What only an engine does is not
rehearsed: images, networks, volumes' drivers, limits, read-only file systems. Linux only: each container has
an address of 127.0.0.0/8 of its own.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from fleetlake.failures import describe_failure
from infra.compose_file import COMPLETED, HEALTHY, Service, chosen, in_order, load, read_variables
from infra.make_env import EXAMPLE, write
from infra.rehearsal import checks
from infra.rehearsal.checks import Deployment
from infra.rehearsal.running import Failed, Running
from infra.rehearsal.stage import Stage
from infra.rehearsal.stand_ins import WORDS, postgres_missing, servers

PROFILES = ("core", "simulate")
SINKS = ("history", "state", "routes")
REPLICAS = 3
RATE = "200"
ONE_SHOT_SECONDS = 120.0
SHARE_SECONDS = 90.0
SILVER_SECONDS = 180.0
DAGSTER = "dagster"


@dataclass
class Rehearsal:
    """One deployment, from its first process to its last."""

    stage: Stage
    services: Sequence[Service]
    secrets: dict[str, str]
    user: int | None
    running: list[Running] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def start_all(self) -> None:
        """Each when what it depends on is so, as `docker compose up` does."""
        for service in self.services:
            for dependency in service.depends_on:
                self._await(dependency.service, dependency.condition)
            self.start(service)
        for each in self.running:
            self._await(each.service.name, HEALTHY)
        self._say(f"{len(self.running)} services run")

    def start(self, service: Service, replica: int = 1) -> Running:
        """Without waiting."""
        running = Running(self.stage, service, replica, self.user)
        self.running.append(running)
        running.start()
        return running

    def check(self) -> dict[str, Any]:
        """Traffic, answers, scaling, the proof. Returns what there was to count."""
        deployment = Deployment(self.stage, self._first("init"), self.secrets)
        gateway, api = self._first("gateway"), self._first("api")
        checks.the_gateway_takes_an_event(deployment, gateway)
        checks.the_page_and_the_api_answer(deployment, api)
        self._say("gateway, API and page answer")
        self.scale(deployment)
        if any(service.name.startswith(DAGSTER) for service in self.services):
            checks.silver_is_made(deployment, SILVER_SECONDS)
            self._say("Dagster made silver")
        simulate = self._first("simulate")
        simulate.stop()
        sent = int(json.loads(simulate.output.read_text())["total"]["acknowledged"]) + 1  # and the gateway's
        counted = checks.everything_arrived(deployment, sent)
        self._say(
            f"{counted['rows']} rows of {sent} messages, {counted['rejected']} rejected; the audit is clean"
        )
        return {"sent": sent, **counted}

    def scale(self, deployment: Deployment) -> None:
        """Every sink to three processes and back to one, while messages come. Numbers are found, not
        given."""
        added = [
            self.start(self._first(sink).service, replica)
            for sink in SINKS
            for replica in range(2, REPLICAS + 1)
        ]
        for each in added:
            each.await_health()
        sinks = [each for each in self.running if each.service.name in SINKS]
        for each in sinks:
            checks.eventually(
                f"{each.name} has a share", lambda one=each: checks.is_owner(deployment, one), SHARE_SECONDS
            )
        checks.metrics_are_served(deployment, [*sinks, self._first("gateway"), self._first("api")])
        leases = self.stage.folder / "volumes" / "leases"
        for sink in SINKS:
            slots = {path.name for path in leases.glob(f"fleetlake.{sink}.slot-*")}
            if slots != {f"fleetlake.{sink}.slot-{number}" for number in range(REPLICAS)}:
                problem = f"the processes of {sink} have taken {sorted(slots)}"
                raise Failed(problem)
        self._say(f"three of each sink share the partitions, in {REPLICAS} slots each")
        for each in reversed(added):
            each.stop()
        for each in sinks[:1]:
            if each.process.poll() is not None:
                problem = f"{each.name} ended when others were stopped"
                raise Failed(problem)
        self._say("one of each again")

    def stop_all(self) -> None:
        """The last first, as `docker compose stop` does."""
        for each in reversed(self.running):
            each.stop()

    def end_now(self) -> None:
        """Nothing runs on, whatever happened."""
        for each in self.running:
            each.end_now()

    def _await(self, name: str, condition: str) -> None:
        for each in self.running:
            if each.service.name == name and not each.health:
                if condition == COMPLETED or name == "init":
                    each.await_end(ONE_SHOT_SECONDS)
                else:
                    each.await_health()

    def _first(self, name: str) -> Running:
        return next(each for each in self.running if each.service.name == name)

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)


def rehearse(folder: Path, require: Sequence[str]) -> dict[str, Any]:
    """Runs everything once; the table, what was counted, what was left out, and what failed."""
    secrets = _secrets(folder)
    services = chosen(load(ROOT / "docker-compose.yml", secrets), PROFILES)
    missing = postgres_missing()
    if missing is not None and DAGSTER in require:
        raise Failed(missing)
    ours = [
        service
        for service in in_order(services)
        if service.is_ours and not (missing and service.name.startswith(DAGSTER))
    ]
    left_out = [f"Dagster: {missing}"] if missing else []
    user, problem = _user(ours[0])
    left_out += [f"users of containers: {problem}"] if problem else []
    failures: list[str] = []
    counted: dict[str, Any] = {}
    with ExitStack() as stack:
        found = stack.enter_context(servers(folder / "servers", secrets, with_postgres=missing is None))
        stage = Stage(folder, ROOT, found, WORDS)
        for service in ours:
            stage.address(service.name)
        rehearsal = Rehearsal(stage, ours, secrets, user)
        stack.callback(rehearsal.end_now)
        try:
            rehearsal.start_all()
            counted = rehearsal.check()
        except Failed as error:
            failures.append(str(error))
        rehearsal.stop_all()
        failures += [trouble for each in rehearsal.running if (trouble := each.trouble)]
        return {
            "services": [_row(each) for each in rehearsal.running],
            "counted": counted,
            "left_out": left_out,
            "failures": failures,
            "seconds": round(time.monotonic() - rehearsal.began, 1),
        }


def _secrets(folder: Path) -> dict[str, str]:
    """Made anew, as `make env` makes them."""
    write(folder, ROOT / EXAMPLE)
    found = {**read_variables(folder / ".env"), "SIMULATE_RATE": RATE}
    return {**found, "METRICS_API_KEY": (folder / ".secrets" / "metrics_key").read_text()}


def _user(service: Service) -> tuple[int | None, str | None]:
    """The user of our containers, or why processes have this one's."""
    user = int(service.user.partition(":")[0])
    if os.geteuid() != 0:
        return None, "only root may choose them"
    try:
        subprocess.run(
            [sys.executable, "-c", "import fleetlake.cli"],
            env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            user=user,
            group=user,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None, f"{user} may not read Python or this checkout"
    return user, None


def _row(running: Running) -> dict[str, Any]:
    return {
        "service": running.name,
        "start_s": None if running.start_s is None else round(running.start_s, 1),
        "health": running.health,
        "stop_s": None if running.stop_s is None else round(running.stop_s, 1),
        "grace_s": running.service.grace_s,
        "exit_code": running.exit_code,
    }


def show(result: dict[str, Any]) -> None:
    """The table, and what is to be said."""
    columns = ("service", "start_s", "health", "stop_s", "grace_s", "exit_code")
    rows = [columns, *([_cell(row[column]) for column in columns] for row in result["services"])]
    widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for text in result["left_out"]:
        print(f"left out: {text}")
    for text in result["failures"]:
        print(f"FAILED: {text}")
    print(f"{'failed' if result['failures'] else 'as promised'}, in {result['seconds']:g} s")


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 where everything was as promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument(
        "--require", action="append", default=[], choices=[DAGSTER], help="do not leave it out"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave logs and files behind, also after a success"
    )
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)  # all that was started is ended first
    folder = Path(tempfile.mkdtemp(prefix="fleetlake-rehearsal-"))
    folder.chmod(0o755)  # other users work below it
    result = {"failures": ["it did not come to an end"]}
    try:
        result = rehearse(folder, options.require)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001 - the entry point: a failure is one readable line
        print(describe_failure(error).text if not isinstance(error, Failed) else error, file=sys.stderr)
        return 1
    finally:
        if options.keep or result["failures"]:
            print(f"logs and files: {folder}")
        else:
            shutil.rmtree(folder)
    show(result)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return int(bool(result["failures"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
