"""MongoDB breaks: killed, frozen, and back with the data of yesterday. The state comes right again; history
and routes do not notice."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson import Int64
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient
from pymongo.collection import Collection

from tests.faults.case import Outcome, case
from tests.faults.rig.progress import ANSWER_SECONDS, Progress
from tests.faults.rig.site import DATABASE, Site
from tests.faults.rig.trial import RATE, trial

GROUP = "MongoDB"
SHORT_SECONDS = 5.0
AWAY_SECONDS = 45.0
DAY_SECONDS = 20.0
ZERO = "Every state right; history and routes never wait (never more than 20 s behind)"

VEHICLE, SIGNAL = "T001", "speed"
WRONG = {"t": Int64(4_000_000_000_000_000), "v": 999.0, "p": "telemetry_raw/0", "o": Int64(1)}
"""Newer than everything, so that no write can lower it."""


@case(
    GROUP,
    "MongoDB killed (-9) twice and back after 5 s, once for 45 s, and once more with the state sink killed "
    "while it is away: what was acknowledged and not on disk is written again, without a rebuild. " + ZERO,
)
def mongodb_killed_and_back(site: Site, scale: float) -> Outcome:
    """A successor of the sink begins where the marks say, not where the group's offsets are."""
    with trial(site, scale) as run:
        times = []
        for seconds, kills_state in (
            (SHORT_SECONDS, False),
            (SHORT_SECONDS, False),
            (AWAY_SECONDS, False),
            (AWAY_SECONDS, True),
        ):
            with run.fault():
                site.mongo.kill()
                run.hold(seconds / 2)
                if kills_state:
                    run.kill("state")
                run.hold(seconds / 2)
                site.mongo.start()
            times.append(run.recover("state"))
        waited = run.worst("state") > AWAY_SECONDS / 2
        return run.outcome("state", max(times), {"kills of MongoDB": 4}, {"state had to wait": waited})


@case(GROUP, f"MongoDB frozen (SIGSTOP) for 45 s: writes hang, are given up and sent again. {ZERO}")
def mongodb_frozen_and_back(site: Site, scale: float) -> Outcome:
    """What hung may still be written when it thaws."""
    with trial(site, scale) as run:
        with run.fault():
            site.mongo.freeze()
            run.hold(AWAY_SECONDS)
            site.mongo.thaw()
        waited = run.worst("state") > AWAY_SECONDS / 2
        return run.outcome("state", run.recover("state"), {}, {"state had to wait": waited})


@case(
    GROUP,
    "MongoDB back with yesterday's data (its folder restored from a copy), with a value in it too new to be "
    "overwritten, and Kafka's retention has removed what the copy lacks: `fleetlake state rebuild`, run "
    f"beside the live sinks and under load, makes the state right. {ZERO}",
)
def mongodb_back_with_the_data_of_yesterday(site: Site, scale: float) -> Outcome:
    """Yesterday, today, and the day of the restore, each with a load of its own."""
    copy = site.folder / "yesterday"
    site.start_sinks()
    _day(site, scale)
    _plant(site)
    with _stopped(site):
        shutil.copytree(site.mongo.folder, copy)
    _day(site, scale)
    expired = _expire(site)
    with trial(site, scale) as run:
        with run.fault():
            with _stopped(site):
                shutil.rmtree(site.mongo.folder)
                shutil.copytree(copy, site.mongo.folder)
            run.hold(SHORT_SECONDS)
            restored, began = _planted(site), time.monotonic()
            site.command("state", "rebuild")
            took = time.monotonic() - began
        return run.outcome(
            "state",
            run.recover("state"),
            {"expired in Kafka": f"{expired:,}", "rebuild took": f"{took:.0f} s"},
            {
                "messages expired in Kafka": expired > 0,
                "the copy held the wrong value": restored == WRONG["v"],
                "the rebuild lowered it": _planted(site) != WRONG["v"],
            },
        )


def _day(site: Site, scale: float) -> None:
    """Some load, and everything done."""
    site.load(int(RATE * scale * DAY_SECONDS), RATE * scale).finish()
    site.wait()


@contextmanager
def _stopped(site: Site) -> Iterator[None]:
    """MongoDB is stopped in good order while the block runs; the sinks are not."""
    site.mongo.stop()
    yield
    site.mongo.start()


def _expire(site: Site) -> int:
    """Kafka's retention removes all that is in its log by now; how many messages."""
    with Progress(site.kafka.address) as progress:
        ends = progress.ends()
    admin = AdminClient({"bootstrap.servers": site.kafka.address})  # its answers end with it
    removed = admin.delete_records(ends)
    return sum(future.result(ANSWER_SECONDS).low_watermark for future in removed.values())


def _plant(site: Site) -> None:
    with _states(site) as states:
        changed = states.update_one({"_id": VEHICLE}, {"$set": {f"s.{SIGNAL}": WRONG}})
        assert changed.matched_count == 1, VEHICLE


def _planted(site: Site) -> float:
    with _states(site) as states:
        document = states.find_one({"_id": VEHICLE})
    assert document is not None, VEHICLE
    return float(document["s"][SIGNAL]["v"])


@contextmanager
def _states(site: Site) -> Iterator[Collection[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](site.mongo.uri, serverSelectionTimeoutMS=60_000) as client:
        yield client[DATABASE]["vehicle_state"]
