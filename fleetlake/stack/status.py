"""What `fleetlake status` says: addresses, processes, how far each sink is behind, and how fast it goes."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from broker.errors import BrokerError
from contracts.load import load_registry
from fleetlake.masking import masked_url
from fleetlake.settings import Settings, is_explicit
from fleetlake.stack.beside import API, DAGSTER, GATEWAY
from fleetlake.stack.layout import layout_of
from fleetlake.stack.meter import Meter, Reading
from fleetlake.stack.progress import KafkaLog, behind, routes_of
from fleetlake.stack.runfile import StackFile, read_stack
from fleetlake.stack.unread import hindrance

SAMPLE_SECONDS = 1.0
QUICK_SECONDS = 3.0

Status = dict[str, Any]


def read_status(
    *, now: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep
) -> Status:
    """The status of the stack in the data folder; of whatever the settings name where none runs."""
    settings = Settings()
    layout = layout_of(settings.data_dir)
    found = read_stack(layout)
    stack = found if found is not None and found.is_running else None
    has_kafka = stack is not None or is_explicit("kafka", "bootstrap_servers")
    has_mongo = stack is not None or is_explicit("mongo", "uri")
    meter = Meter(layout.run)
    if meter.read().sinks:
        sleep(SAMPLE_SECONDS)
    reading = meter.read()
    hindered = None if stack is None else hindrance(settings, load_registry(settings.contracts))
    return {
        "running": stack is not None,
        "state": "stopped" if stack is None else stack.state.value,
        "data_dir": str(layout.root),
        "pid": None if stack is None else stack.pid,
        "kafka": settings.kafka.bootstrap_servers if has_kafka else None,
        "mongo": masked_url(settings.mongo.uri) if has_mongo else None,
        "lake": settings.lake.uri,
        "lake_endpoint": settings.lake.s3.endpoint_url,
        **{name: None if stack is None else getattr(stack, name) for name in (DAGSTER, GATEWAY, API)},
        "processes": [] if stack is None else _processes(stack, now()),
        **(_lag(settings) if has_kafka else {"lag": None, "problem": None}),
        "rates": {sink: round(rate, 1) for sink, rate in sorted(reading.rates.items())},
        "rejected": _rejected(reading),
        "hindrance": None if hindered is None else str(hindered),
    }


def _processes(stack: StackFile, now: float) -> list[Status]:
    return [
        {
            "name": process.name,
            "pid": process.pid or None,
            "uptime_s": round(now - process.started, 1) if process.pid else 0.0,
            "restarts": process.restarts,
            "state": process.state,
            "reason": process.reason,
        }
        for process in stack.processes
    ]


def _lag(settings: Settings) -> Status:
    """Messages that each sink has not done yet; null with a reason where Kafka does not answer."""
    try:
        log = KafkaLog(settings.kafka, QUICK_SECONDS)
        lag = {}
        for route in routes_of(load_registry(settings.contracts)):
            left = behind(log.spans([*route.topics, *route.inner_topics]), log.committed(route.sink))
            places = {str(place): count for place, count in sorted(left.items())}
            lag[route.sink] = {"total": sum(places.values()), "partitions": places}
    except BrokerError as error:
        return {"lag": None, "problem": str(error)}
    return {"lag": lag, "problem": None}


def _rejected(reading: Reading) -> Mapping[str, int]:
    """Messages rejected since the sinks started, by reason, as the sink that saw most of them counts."""
    counts = [numbers.rejected for numbers in reading.sinks.values()]
    return dict(sorted(max(counts, key=lambda of: sum(of.values()), default={}).items()))


def render(status: Status) -> str:
    """The status for a person."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table("process", "state", "pid", "up", "restarts", "messages/s", "behind", box=None)
    for process in status["processes"]:
        sink = process["name"]
        behind_by = (status["lag"] or {}).get(sink)
        table.add_row(
            sink,
            process["state"],
            str(process["pid"] or ""),
            f"{process['uptime_s']:.0f} s",
            str(process["restarts"]),
            f"{status['rates'][sink]:,.0f}" if sink in status["rates"] else "",
            f"{behind_by['total']:,}" if behind_by else "",
        )
    with console.capture() as captured:
        console.print(f"{status['state']} in {status['data_dir']}")
        for name in ("kafka", "mongo", "lake"):
            console.print(f"{name:6} {status[name] or 'does not run'}")
        if status["lake_endpoint"]:
            console.print(f"{'':6} at {status['lake_endpoint']}")
        for name in (DAGSTER, GATEWAY, API):
            if status[name]:
                console.print(f"{name:7} {status[name]}")
        if status["processes"]:
            console.print(table)
        if status["problem"]:
            console.print(status["problem"])
        if status["hindrance"]:
            console.print(status["hindrance"], markup=False)
    return captured.get().rstrip()
