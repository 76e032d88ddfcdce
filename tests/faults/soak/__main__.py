"""`make soak MINUTES=30`: a steady load on Apache Kafka and MinIO with late, doubled and bad messages, the
sinks each killed every minute, and a look at everything every few seconds. In the end nothing may be
lost or doubled, and what must stay as it is may not have grown.

    python -m tests.faults.soak --minutes 30 --rate 20000
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path
from typing import Any

from tests.faults.rig.sinks import SINKS
from tests.faults.rig.site import BEFORE_NOW_MS, Load, Plan, Site, eventually, running
from tests.faults.rig.traffic import Traffic
from tests.faults.soak.chart import MOST_GROWTH, draw, growth, table
from tests.faults.soak.maintain import Maintenance
from tests.faults.soak.sampler import Sample, Sampler, as_json
from tests.faults.soak.totals import totals

LOOK_SECONDS = 10.0
KILL_SECONDS = 20.0
"""Between two kills; the sinks take turns, so each of them dies every minute."""

CATCH_UP_SECONDS = 600.0
LINGER_MS = 100
"""As producers of many messages do; with a tenth of it the broker is busy with requests, not messages."""


def soak(site: Site, minutes: float, rate: float) -> dict[str, Any]:
    """One run; its verdict and samples."""
    site.start_sinks()
    count = int(minutes * 60 * rate)
    traffic = Traffic(site.began_ms - BEFORE_NOW_MS - count)  # a millisecond a message: none is in the future
    load = site.load(count, rate, traffic=traffic, keep_receipts=False, producer={"linger.ms": LINGER_MS})
    eventually(lambda: len(list((site.folder / "run").glob("*.json"))) >= len(SINKS), 120, "the sinks answer")
    with Maintenance(site):
        samples, kills = _watch(site, load, rate)
    sent = load.finish()
    caught_up = site.wait(CATCH_UP_SECONDS)
    return {
        "minutes": minutes,
        "rate": rate,
        "acknowledged": sent["acknowledged"],
        "sent_per_second": round(sent["acknowledged"] / sent["seconds"]),
        "kills": kills,
        "caught_up_after_s": caught_up,
        "growth": growth(samples),
        "totals": totals(site, load),
        "audit_ok": site.audit()["ok"],
        "unasked_ends": site.sinks.unasked(),
        "samples": [as_json(sample) for sample in samples],
        "table": table(samples),
    }


def _watch(site: Site, load: Load, rate: float) -> tuple[list[Sample], int]:
    """Looks and kills until the load ends."""
    sampler, victims = Sampler(site), cycle(SINKS)
    samples: list[Sample] = []
    began = next_kill = time.monotonic()
    next_kill += KILL_SECONDS
    kills = 0
    while load.is_running:
        now = time.monotonic()
        samples.append(sampler.look(produced=int((now - began) * rate)))
        _tell(samples[-1])
        if now >= next_kill:
            site.sinks.kill(site.sinks.of(next(victims))[0])
            kills, next_kill = kills + 1, next_kill + KILL_SECONDS
        time.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - now)))
    return samples, kills


def _tell(sample: Sample) -> None:
    memory = " ".join(f"{sink} {size:.0f}" for sink, size in sample.memory.items())
    lag = " ".join(f"{sink} {messages:,.0f}" for sink, messages in sample.lag.items())
    print(
        f"{sample.second / 60:5.1f} min  MiB: {memory}  lag: {lag}  files {sample.files} "
        f"commits {sample.versions}  commit {sample.commit_ms['history'] or 0:.0f} ms  "
        f"query {sample.query_ms:.0f} ms  busy {sample.busy_percent:.0f} %  "
        f"fixed work {sample.fixed_work_ms:.1f} ms",
        file=sys.stderr,
        flush=True,
    )


def is_good(verdict: dict[str, Any]) -> bool:
    """Nothing lost or doubled, nothing grown, and the rate was kept."""
    steady = all(ratio <= MOST_GROWTH for ratio in verdict["growth"].values())
    kept = verdict["sent_per_second"] >= 0.95 * verdict["rate"]
    return bool(verdict["audit_ok"] and verdict["totals"]["ok"] and steady and kept)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=20_000.0, help="messages a second")
    parser.add_argument("--json", type=Path, help="where to write the verdict with all samples")
    parser.add_argument("--chart", type=Path, default=Path("soak.png"))
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="fleetlake-soak-") as folder,
        running(Path(folder) / "site", Plan(settings={"FLEETLAKE_INGEST__COMMIT_SECONDS": "5"})) as site,
    ):
        verdict = soak(site, arguments.minutes, arguments.rate)
    samples = [Sample(**sample) for sample in verdict["samples"]]
    draw(samples, arguments.chart)
    verdict["ok"] = is_good(verdict)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(verdict, indent=1))
    print(verdict.pop("table"))
    del verdict["samples"]
    print(json.dumps(verdict, indent=1))
    print(f"the course is drawn in {arguments.chart}")
    return 0 if verdict["ok"] else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # servers and sinks are ended
    sys.exit(main())
