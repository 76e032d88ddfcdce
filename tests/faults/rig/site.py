"""A whole deployment of its own in one folder: Kafka, store, MongoDB, sinks, producers, each reached as in
production: by settings in the environment, over sockets. What a case breaks, it breaks from outside."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from fleetlake.stack.minio import own_keys, read_keys
from tests.faults.proxy import FaultProxy
from tests.faults.rig.record import Part, Record, read_record
from tests.faults.rig.sender import Spec, as_json
from tests.faults.rig.sinks import SINKS, Sinks
from tests.faults.rig.traffic import Traffic
from tests.faults.rig.verdict import Verdict, judge
from tests.servers import Kafka, KafkaCluster, Minio, Mongo

BEFORE_NOW_MS = 3_600_000
"""Message 0 of a run happened an hour ago: nothing in a run is ahead of the broker's clock unawares."""

BUCKET = "fleet"
DATABASE = "fleetlake"


@dataclass(frozen=True)
class Plan:
    """What a site is made of."""

    nodes: Literal[1, 3] = 1
    store: Literal["minio", "folder"] = "minio"
    proxied: tuple[str, ...] = ()
    """Of "store", "mongo", "kafka": those that the sinks reach through a proxy only."""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Load:
    """A producer under way."""

    process: subprocess.Popen[str]
    spec: Spec
    traffic: Traffic
    log: Path
    lives: Mapping[str, str] = field(default_factory=dict)
    """The ids that its topics had, where a case makes topics anew."""
    is_gone: Callable[[str, int, int], bool] | None = None
    """Of (topic, partition, offset): whether Kafka gave it up before anybody read it."""

    @property
    def record(self) -> Path:
        return Path(self.spec.record)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def finish(self, timeout_s: float = 900.0) -> dict[str, Any]:
        """Waits until all is acknowledged; what the producer says of it."""
        out, _ = self.process.communicate(timeout=timeout_s)
        assert self.process.returncode == 0, f"the producer failed: {self.log.read_text()[-2000:]}"
        said: dict[str, Any] = json.loads(out)
        assert not said["failed"], said
        assert not said["unanswered"], said
        return said

    def stop(self) -> dict[str, Any]:
        """Ends it early, with everything handed over acknowledged."""
        self.process.terminate()
        return self.finish()


class Site:
    """Servers, sinks and producers of one run."""

    def __init__(self, folder: Path, plan: Plan, cleanup: ExitStack) -> None:
        self.folder, self.plan, self._cleanup = folder, plan, cleanup
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True)
        self.kafka: Kafka | KafkaCluster = (
            Kafka(folder / "kafka") if plan.nodes == 1 else KafkaCluster(folder / "kafka")
        )
        self.minio = Minio(folder / "minio") if plan.store == "minio" else None
        self.mongo = Mongo(folder / "mongo")
        self.proxies: dict[str, FaultProxy] = {}
        self.loads: list[Load] = []
        self.began_ms = int(time.time() * 1000)
        self._sinks: Sinks | None = None
        self._sent = 0

    # -- start -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Servers, proxies and topics."""
        for server in filter(None, (self.kafka, self.minio, self.mongo)):
            self._cleanup.callback(server.stop)
            server.start()
        addresses = {"mongo": self.mongo.address}
        if self.minio is not None:
            addresses["store"] = self.minio.address
        for name in self.plan.proxied:
            host, _, port = addresses[name].partition(":")
            self.proxies[name] = self._cleanup.enter_context(
                FaultProxy((host, int(port)), http=name == "store")
            )
        self.command("topics", "create")

    @property
    def environment(self) -> dict[str, str]:
        """What the sinks are started with."""
        return self._environment(through_proxies=True)

    def _environment(self, *, through_proxies: bool) -> dict[str, str]:
        proxies = self.proxies if through_proxies else {}
        mongo = proxies["mongo"].address if "mongo" in proxies else self.mongo.address
        values = {
            "FLEETLAKE_DATA_DIR": str(self.folder),
            "FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS": self.kafka.address,
            "FLEETLAKE_MONGO__URI": f"mongodb://{mongo}/?directConnection=true",
            "FLEETLAKE_MONGO__DATABASE": DATABASE,
            "FLEETLAKE_LAKE__URI": str(self.folder / "lake"),
            "FLEETLAKE_INGEST__METRICS_PORT": "0",
            "FLEETLAKE_INGEST__COMMIT_SECONDS": "2",
        }
        if self.minio is not None:
            keys = read_keys(own_keys(self.minio.folder))
            store = proxies["store"].address if "store" in proxies else self.minio.address
            values |= {
                "FLEETLAKE_LAKE__URI": f"s3://{BUCKET}",
                "FLEETLAKE_LAKE__S3__ENDPOINT_URL": f"http://{store}",
                "FLEETLAKE_LAKE__S3__ACCESS_KEY_ID": keys.access_key_id,
                "FLEETLAKE_LAKE__S3__SECRET_ACCESS_KEY": keys.secret_access_key,
            }
        return {**values, **self.plan.settings}

    @property
    def lake(self) -> tuple[str, dict[str, str]]:
        """The lake's address and how a Delta reader opens it, past the proxies."""
        values = self._environment(through_proxies=False)
        if self.minio is None:
            return values["FLEETLAKE_LAKE__URI"], {}
        return values["FLEETLAKE_LAKE__URI"], {
            "aws_endpoint_url": values["FLEETLAKE_LAKE__S3__ENDPOINT_URL"],
            "aws_access_key_id": values["FLEETLAKE_LAKE__S3__ACCESS_KEY_ID"],
            "aws_secret_access_key": values["FLEETLAKE_LAKE__S3__SECRET_ACCESS_KEY"],
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
        }

    @property
    def sinks(self) -> Sinks:
        """The sink processes; the first use starts their keeper, and no sink."""
        if self._sinks is None:
            self._sinks = Sinks(self.environment, self.logs)
            self._cleanup.callback(self._sinks.stop)
        return self._sinks

    def start_sinks(self, *names: str) -> None:
        """One process a sink; all three by default."""
        for name in names or SINKS:
            self.sinks.add(name)

    def on_exit(self, action: Callable[[], object]) -> None:
        """Done when the site ends: after whatever is started from now on has ended."""
        self._cleanup.callback(action)

    # -- what happens ----------------------------------------------------------------------------------------

    def command(
        self, *words: str, check: bool = True, timeout: float = 600.0
    ) -> subprocess.CompletedProcess[str]:
        """Runs `fleetlake ...` past the proxies."""
        done = subprocess.run(
            [sys.executable, "-m", "fleetlake.cli", *words],
            env={**os.environ, **self._environment(through_proxies=False)},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"fleetlake {' '.join(words)}: {done.stdout}{done.stderr}"
        return done

    def load(
        self,
        count: int,
        rate: float,
        *,
        traffic: Traffic | None = None,
        first: int | None = None,
        **spec: Any,
    ) -> Load:
        """Starts a producer of the next `count` messages, or of those from `first` on."""
        traffic = traffic or Traffic(self.began_ms - BEFORE_NOW_MS)
        if first is None:
            first, self._sent = self._sent, self._sent + count
        return self._produce(
            Spec(self.kafka.address, self._next_record, asdict(traffic), count, rate, first, **spec), traffic
        )

    def load_again(self, load: Load, rate: float) -> Load:
        """The same messages once more, as a replay would send them."""
        return self._produce(replace(load.spec, rate=rate, record=self._next_record), load.traffic)

    @property
    def _next_record(self) -> str:
        return str(self.folder / f"record-{len(self.loads)}.npz")

    def _produce(self, spec: Spec, traffic: Traffic) -> Load:
        log = self.logs / f"sender-{len(self.loads)}.log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.rig.sender", as_json(spec)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._cleanup.callback(_end, process)
        load = Load(process, spec, traffic, log)
        self.loads.append(load)
        return load

    def wait(self, timeout_s: float = 300.0) -> float:
        """Until all sinks have done what is in the log; the seconds it took."""
        began = time.monotonic()
        self.command("wait", "--timeout", str(timeout_s), timeout=timeout_s + 60)
        return round(time.monotonic() - began, 1)

    # -- what became of it -----------------------------------------------------------------------------------

    def record(self) -> Record:
        """Everything that was acknowledged so far."""
        return read_record(Part(load.record, load.traffic, load.lives, load.is_gone) for load in self.loads)

    def verdict(self, record: Record | None = None) -> Verdict:
        """The comparison with the record, and the audit's own word."""
        verdict = judge(record or self.record(), self.lake, (self.mongo.uri, DATABASE), self.kafka.address)
        audit = self.audit()
        verdict.audit_ok = audit["ok"]
        if not audit["ok"]:
            verdict.examples += [str(problem) for problem in audit["problems"][:5]]
        return verdict

    def audit(self) -> dict[str, Any]:
        """`fleetlake audit --json`; its exit code must say the same as its text."""
        done = self.command("audit", "--json", check=False)
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        assert (done.returncode == 0) == report["ok"], done.returncode
        return report


def eventually(condition: Callable[[], Any], seconds: float, what: str) -> float:
    """Polls until the condition holds; the seconds it took. TimeoutError says what did not happen."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            problem = f"{what}: not within {seconds:g} s"
            raise TimeoutError(problem)
        time.sleep(0.1)
    return round(time.monotonic() - began, 2)


@contextmanager
def running(folder: Path, plan: Plan) -> Iterator[Site]:
    """A site with its servers and topics; everything is ended afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    with ExitStack() as cleanup:
        site = Site(folder, plan, cleanup)
        site.start()
        yield site


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
