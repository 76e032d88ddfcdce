"""Checks of Kafka: it answers, it has the topics, and they are as the contracts say."""

from collections.abc import Iterator, Sequence

from broker.admin import Admin
from broker.errors import BrokerError, NotReady
from broker.settings import KafkaSettings
from broker.topics import Difference, TopicReport, Topics, specs_from, wait_ready
from contracts.registry import Registry
from fleetlake.doctor.findings import Finding, fine, note, wrong
from fleetlake.stack.progress import KafkaLog, behind, routes_of

QUICK_SECONDS = 3.0
SHOWN = 5
TIME_OF_ARRIVAL = "message.timestamp.type"


def check_kafka(settings: KafkaSettings, registry: Registry) -> Iterator[Finding]:
    """Reachable, topics there and right, sinks not far behind."""
    try:
        wait_ready(settings, timeout_s=QUICK_SECONDS)
        yield fine("kafka", f"{settings.bootstrap_servers} answers")
        admin = Admin(settings, QUICK_SECONDS)
        yield from judge_topics(Topics(settings, admin).report(specs_from(registry, settings)))
        yield from _check_lag(KafkaLog(settings, QUICK_SECONDS), registry)
    except BrokerError as error:
        action = "start it (`fleetlake up`), or correct FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS and its security"
        fact = str(error)
        if isinstance(error, NotReady) and not error.missing:
            fact = f"Kafka at {error.address} is not reachable ({error.detail})"  # the action says the rest
        yield wrong("kafka", fact, action)


def judge_topics(reports: Sequence[TopicReport]) -> Iterator[Finding]:
    """What is missing or different among the topics."""
    missing = [report.spec.name for report in reports if report.state == "missing"]
    if missing:
        yield wrong("topics", f"missing: {_shortened(missing)}", "`fleetlake topics create`")
    differences = [difference for report in reports for difference in report.differences]
    producer_time = [d.topic for d in differences if d.setting == TIME_OF_ARRIVAL]
    if producer_time:
        yield note(
            "topics",
            f"{TIME_OF_ARRIVAL} is not LogAppendTime on {_shortened(producer_time)}: whether a time lies in "
            "the future is then judged by the producers' clocks",
            "`fleetlake topics create --replace`",
        )
    others = [difference for difference in differences if difference.setting != TIME_OF_ARRIVAL]
    if others:
        yield note("topics", f"not as the contracts say: {_shortened(map(str, others))}", _cure(others))
    if not missing and not differences:
        yield fine("topics", f"all {len(reports)} are there and as the contracts say")


def _check_lag(log: KafkaLog, registry: Registry) -> Iterator[Finding]:
    for route in routes_of(registry):
        left = sum(behind(log.spans(route.topics), log.committed(route.sink)).values())
        if left:
            yield note(
                "sinks", f"{route.sink} is {left:,} messages behind", "`fleetlake status` shows if it runs"
            )


def _cure(differences: Sequence[Difference]) -> str:
    if any(difference.can_change for difference in differences):
        return "`fleetlake topics create --replace` changes what can be changed"
    return "these cannot be changed on an existing topic"


def _shortened(names: Sequence[str] | Iterator[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
