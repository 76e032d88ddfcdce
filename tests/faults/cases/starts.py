"""Where sinks begin, and what they begin with: topics that were there before, and contracts that change."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files

from deltalake import DeltaTable

from tests.faults.case import Outcome, case
from tests.faults.rig.site import BEFORE_NOW_MS, Load, Site, eventually
from tests.faults.rig.traffic import TOPICS, Traffic

MESSAGES = 60_000
RATE = 3_000.0
PATIENCE_SECONDS = 120.0
START = "FLEETLAKE_INGEST__START"
NEWER = "  charge_power: charge_power\n"
SIGNALS = "signals:\n"


@case(
    "Start",
    "The first start on topics with messages in them, with start=latest: what was there before is not landed "
    "and not routed, everything after is exact; the audit knows where history begins and is clean. The state "
    "reads the whole log in any case: older values are true, too",
)
def first_start_at_the_end_of_the_log(site: Site, scale: float) -> Outcome:
    """The second load begins when all sinks have said where they do."""
    return _begin_late(site, scale, "latest")


@case(
    "Start",
    "The first start on topics with messages in them, with a time as start: messages that Kafka took before "
    "it are not landed and not routed, everything after is exact, though some of it was sent before the "
    "sinks ran; the audit knows where history begins and is clean",
)
def first_start_at_a_time(site: Site, scale: float) -> Outcome:
    """The time lies between two loads, both of which were sent before the sinks start."""
    return _begin_late(site, scale, None)


def _begin_late(site: Site, scale: float, start: str | None) -> Outcome:
    count = int(MESSAGES * scale)
    before = site.load(count, RATE)
    before.finish()
    time.sleep(1.0)
    at = datetime.now(UTC).isoformat()
    time.sleep(1.0)
    early = _second(site, count) if start is None else None
    site.sinks.environment[START] = start or at
    site.start_sinks()
    if early is None:
        eventually(lambda: _has_begun(site), PATIENCE_SECONDS, "all sinks have begun")
    (early or _second(site, count)).finish()
    site.load(count, RATE).finish()
    recovery = site.wait()
    everything = site.record()
    site.loads.remove(before)
    verdict = site.verdict(replace(site.record(), newest=everything.newest))
    report = site.audit()
    begun = [part["started_at"] for part in report["partitions"] if part["topic"] in TOPICS.values()]
    facts = {"messages before the start": before.spec.count, "partitions begun late": sum(map(bool, begun))}
    broken = [] if any(begun) else ["history began at the log's start"]
    return Outcome(recovery_s=recovery, facts=facts, broken=tuple(broken), verdict=verdict)


def _second(site: Site, count: int) -> Load:
    """Older in event time than the first: what the state has of the first stays."""
    load = site.load(count, RATE, traffic=Traffic(site.began_ms - BEFORE_NOW_MS * 2, seed=2))
    load.finish()
    return load


def _has_begun(site: Site) -> bool:
    """Whether history has recorded where it begins, and routes too."""
    rows = json.loads(site.command("checkpoint", "list", "--json").stdout)
    mine = [row for row in rows if row["topic"] in TOPICS.values()]
    routes = site.sinks.of("routes")[0]
    return all(row["checkpoint"] is not None for row in mine) and routes.times_said("partitions_assigned") > 0


@case(
    "Start",
    "A rolling upgrade: for a while two history processes share the partitions and decode one source by "
    "different versions of its contract. No row is lost or doubled, each carries the hash of the contract "
    "that made it, and the audit names both",
)
def contracts_differ_during_an_upgrade(site: Site, scale: float) -> Outcome:
    """The newer contract knows one signal more, which no message has: the truth is the same for both."""
    older = site.sinks.add("history")
    site.start_sinks("state", "routes")
    count = int(MESSAGES * scale)
    site.load(count, RATE).finish()
    newer = site.sinks.add("history", environment={"FLEETLAKE_CONTRACTS": _newer_contract(site)})
    eventually(lambda: newer.times_said("partitions_assigned"), PATIENCE_SECONDS, "both share the partitions")
    site.load(count, RATE).finish()
    site.wait()
    site.sinks.remove(older)
    site.load(count, RATE).finish()
    recovery = site.wait()
    rows = _rows_by_hash(site)
    remarks = [text for text in site.audit()["remarks"] if all(digest in text for digest in rows)]
    broken = [] if len(rows) == 2 else [f"rows of tcu by contract: {rows}"]
    broken += [] if remarks else ["the audit does not name both contracts"]
    facts = {f"rows by contract {digest[:8]}": f"{number:,}" for digest, number in rows.items()}
    return Outcome(recovery_s=recovery, facts=facts, broken=tuple(broken))


def _newer_contract(site: Site) -> str:
    """A folder with the contract of tcu and one signal more."""
    folder = site.folder / "newer"
    folder.mkdir()
    text = (files("contracts") / "sources" / "tcu.yml").read_text()
    assert text.count(SIGNALS) == 1
    (folder / "tcu.yml").write_text(text.replace(SIGNALS, SIGNALS + NEWER))
    return str(folder)


def _rows_by_hash(site: Site) -> dict[str, int]:
    """How many rows of tcu each version of its contract has made."""
    uri, options = site.lake
    dataset = DeltaTable(f"{uri}/bronze/events", storage_options=options).to_pyarrow_dataset()
    rows = dataset.to_table(columns=["source", "contract_hash"]).to_pylist()
    found: dict[str, int] = {}
    for row in rows:
        if row["source"] == "tcu":
            found[row["contract_hash"]] = found.get(row["contract_hash"], 0) + 1
    return found
