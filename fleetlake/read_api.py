"""The read API put together: what its routes answer from, made of the settings of this process."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial

from contracts.access import Vehicles
from contracts.load import load_registry
from fleetlake.cursor_key import cursor_key
from fleetlake.marts import marts
from fleetlake.settings import Settings
from fleetlake.stack.layout import layout_of
from fleetlake.stack.observe import cards
from fleetlake.stack.progress import KafkaLog, behind, routes_of
from fleetlake.stack.runfile import read_stack
from lake.alert_reader import AlertReader
from lake.errors import LakeError
from lake.mongo import open_client
from lake.reading import LakeReader, Mart
from lake.reading import Marts as MartsToRead
from lake.state_reader import StateReader
from serving.asking import Asking
from serving.cursor import Seal
from serving.site import Sinks, SinkState, Site
from transforms.anomalies_now import anomalies_of
from transforms.build import Marts
from transforms.document import description
from transforms.live import signals_live
from transforms.plan import GOLD, current_days

KAFKA_SECONDS = 3.0
DATED = ("gold.signal_minute", "gold.anomalies")
"""Marts of which a day is read instead of its readings, where it has all of them."""


@contextmanager
def site(settings: Settings, *, stopping: Callable[[], bool] = lambda: False) -> Iterator[Site]:
    """Opened stores; they close with the block. None of them needs to answer for it to open."""
    built = marts(settings)
    known = built.reference.tables["reference.vehicles"]
    fleets, models = (
        dict(zip(known["vehicle_id"].to_pylist(), known[column].to_pylist(), strict=True))
        for column in ("fleet", "model")
    )
    tables = _tables(built)
    anomalies_of("(select 1)")  # reads the model's files now, and not when the first one asks
    with ExitStack() as resources:
        client = open_client(settings.mongo)
        resources.callback(client.close)
        reader = LakeReader(
            settings.lake,
            signals_live,
            MartsToRead(tables, partial(current_days, built), DATED),
            held=built.reference.tables,
            snapshot_seconds=settings.serving.snapshot_seconds,
        )
        resources.callback(reader.close)
        asking = Asking(reader, settings.serving)
        resources.callback(asking.close)
        yield Site(
            settings=settings.serving,
            lake_settings=settings.lake,
            live=signals_live,
            state=StateReader(settings.mongo, client=client),
            alerts=AlertReader(settings.mongo, client=client),
            asking=asking,
            registry=built.reference.registry,
            vehicles=Vehicles(fleets),
            models=models,
            marts=tables,
            anomalies_of=anomalies_of,
            sinks=sinks_of(settings),
            seal=Seal(_cursor_key(settings)),
            now_us=lambda: time.time_ns() // 1000,
            stopping=stopping,
        )


def _tables(built: Marts) -> dict[str, Mart]:
    return {
        name: Mart(model.columns, description(model))
        for name, model in built.models.items()
        if name.startswith(GOLD)
    }


def sinks_of(settings: Settings) -> Sinks:
    """How far each sink is, as Kafka says; whether it runs, where sinks of this machine or a stack say so."""
    registry = load_registry(settings.contracts)

    @cache
    def kafka() -> KafkaLog:
        return KafkaLog(settings.kafka, KAFKA_SECONDS)

    def look() -> Sequence[SinkState]:
        log = kafka()
        running, supervised = _running(settings), _supervised(settings)
        found = []
        for route in routes_of(registry):
            spans = log.spans([*route.topics, *route.inner_topics])
            lag = sum(behind(spans, log.committed(route.sink)).values())
            is_known = bool(running) or route.sink in supervised
            found.append(SinkState(route.sink, lag, route.sink in running if is_known else None))
        return found

    return look


def _running(settings: Settings) -> set[str]:
    """The sinks of which a process of this machine has left its card."""
    run = settings.ingest.runtime_dir
    return {card.sink for card in cards(run)} if run is not None and run.is_dir() else set()


def _supervised(settings: Settings) -> set[str]:
    """What the stack that runs in the data folder is to keep running, where it is on the Kafka that is asked:
    a sink among it that has no card does not run."""
    stack = read_stack(layout_of(settings.data_dir))
    if stack is None or not stack.is_running or stack.kafka != settings.kafka.bootstrap_servers:
        return set()
    return {process.name for process in stack.processes}


def _cursor_key(settings: Settings) -> bytes:
    """The one given; else the data folder's: the same after a restart, and in all its processes."""
    given = settings.serving.cursor_key
    if given is not None:
        return given.get_secret_value().encode()
    return cursor_key(settings.data_dir)


async def ready(opened: Site) -> dict[str, str | None]:
    """What is wrong with each store that the API cannot answer without; None where nothing is."""
    looks: dict[str, Callable[[], object]] = {
        "mongodb": opened.state.newest_us,
        "lake": opened.asking.lake.outlook,
    }
    return {name: await _trouble(opened, look) for name, look in looks.items()}


async def _trouble(opened: Site, look: Callable[[], object]) -> str | None:
    try:
        await opened.asking.state(look)
    except LakeError as error:
        return str(error)
    return None
