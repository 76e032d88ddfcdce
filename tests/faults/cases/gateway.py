"""The gateway and the broker behind it killed under load, followed into the history."""

import random
import signal
import time

from tests.faults.case import Outcome, case
from tests.faults.rig.gateway import Gateway
from tests.faults.rig.keyed import Clients, judge, landed
from tests.faults.rig.restarts import ended_otherwise, restarted
from tests.faults.rig.site import BEFORE_NOW_MS, Site
from tests.faults.rig.verdict import Verdict
from tests.servers import Kafka

ROUNDS = 4
BETWEEN = 20
"""Answers between two kills, so that every kill has something under way."""

AWAY_SECONDS = 3.0


@case(
    "Gateway",
    "clients send events with idempotency keys, and ask again with the same key until they are answered, "
    "while the gateway and the only broker are killed with kill -9 in turn, and at once, and started again: "
    "every request is answered in the end, each of its events is one row of bronze, where its receipt says "
    "and with its bytes, and a request that is sent once more gets the same answer",
)
def gateway_and_broker_killed(site: Site, scale: float) -> Outcome:
    """Recovery is the longest from a return to answers. Routes begins when all is over: what a broker that is
    killed means to its transactions is a case of its own."""
    kafka, rng = site.kafka, random.Random(1)
    assert isinstance(kafka, Kafka)
    site.start_sinks("history", "state")
    gateway = Gateway(site.environment, site.logs)
    site.on_exit(gateway.stop)
    gateway.start()
    broker_kills, recoveries = 0, list[float]()
    with Clients(gateway.address, site.began_ms - BEFORE_NOW_MS) as clients:
        for number in range(max(1, round(ROUNDS * scale))):
            clients.await_answers(BETWEEN)
            time.sleep(rng.uniform(0.0, 1.0))
            gateway.kill()
            gateway.start()
            recoveries.append(clients.await_answers(BETWEEN))
            time.sleep(rng.uniform(0.0, 1.0))
            broker_kills += _killed(kafka)
            if number % 2 == 1:
                gateway.kill()
                gateway.start()
            time.sleep(AWAY_SECONDS)
            kafka.start()
            recoveries.append(clients.await_answers(BETWEEN))
    tries = [each.tries for each in clients.answered]
    facts = {
        "kills of the gateway": gateway.kills,
        "kills of the broker": broker_kills,
        "requests": len(tries),
        "of them asked more than once": sum(number > 1 for number in tries),
    }
    broken = tuple(f"{key} was answered differently" for key in clients.answered_differently[:5])
    broken += () if any(number > 1 for number in tries) else ("no kill met a request",)
    verdict = _verdict(site, clients)
    broken += ended_otherwise(site)
    return Outcome(max(recoveries), {**facts, **restarted(site)}, broken, verdict)


def _killed(kafka: Kafka) -> int:
    """How many were."""
    kafka.kill()
    assert kafka.server is not None
    return int(kafka.server.process.poll() == -signal.SIGKILL)


def _verdict(site: Site, clients: Clients) -> Verdict:
    """When every sink has done everything."""
    site.start_sinks("routes")
    site.wait()
    verdict = judge(clients.answered, landed(*site.lake))
    audit = site.audit()
    verdict.audit_ok = audit["ok"]
    verdict.examples += [str(problem) for problem in audit["problems"][:5]]
    return verdict
