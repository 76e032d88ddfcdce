"""`fleetlake init`: everything that must be there before the first process of a deployment starts."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from fleetlake.settings import Settings

RETRY_SECONDS = 0.5

T = TypeVar("T")


def init(
    keys: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            exists=True,
            readable=True,
            help="API keys to take over: name, scopes, key a line.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON value instead of text.")] = False,
) -> None:
    """Make what is missing: API keys, MongoDB's set, user and indexes, the lake's bucket, the topics.

    Waits for each server. It may run again at any time, and changes nothing that is as it should be:
    topics that differ are reported and stay.
    """
    from fleetlake.stack.presence import require_choice

    settings = Settings()
    require_choice(settings, "kafka", "mongo")
    done = []
    for step in _steps(settings, keys):
        done.append(step)
        if not as_json:
            typer.echo(step)
    if as_json:
        typer.echo(json.dumps({"done": done}))


def _steps(settings: Settings, keys: Path | None) -> Iterator[str]:
    """Each is done when its text comes."""
    if keys is not None:
        from fleetlake.web.access import keys_file_of
        from fleetlake.web.given_keys import take_over

        file = keys_file_of(settings.http, settings.data_dir)
        yield _told(f"API keys in {file}", take_over(keys, file, datetime.now(UTC)))
    yield from _mongo(settings)
    yield _lake(settings)
    yield from _topics(settings)


def _mongo(settings: Settings) -> Iterator[str]:
    from lake.alert_outbox import AlertOutbox
    from lake.alert_store import AlertStore
    from lake.mongo import wait_ready
    from lake.mongo_setup import set_up
    from lake.state import StateStore

    if settings.mongo.admin_uri is not None:
        for step in set_up(settings.mongo, settings.mongo.admin_uri.get_secret_value()):
            yield f"MongoDB: {step}"
    wait_ready(settings.mongo)
    with AlertStore(settings.mongo) as alerts, StateStore(settings.mongo) as state:
        alerts.ensure_indexes()
        AlertOutbox(settings.mongo, alerts.client).ensure_indexes()
        state.ensure_view()
    yield f"MongoDB: indexes and views of {settings.mongo.database}"


def _lake(settings: Settings) -> str:
    from lake.storage import wait_ready

    return f"lake: {wait_ready(settings.lake).locations.root}"


def _topics(settings: Settings) -> Iterator[str]:
    from broker.topics import Topics, specs_from, wait_ready
    from contracts.load import load_registry

    wait_ready(settings.kafka, waiting=lambda text: typer.echo(text, err=True))
    topics, specs = Topics(settings.kafka), specs_from(load_registry(settings.contracts), settings.kafka)
    deadline = time.monotonic() + settings.kafka.ready_timeout_s
    yield _told("topics", topics.create(specs))
    for report in _answered(lambda: topics.report(specs), deadline):
        for difference in report.differences:
            yield f"{difference} (`fleetlake topics create --replace` changes it)"


def _answered(ask: Callable[[], T], deadline: float) -> T:
    """Asks until Kafka answers: it is busy when it has just made topics. BrokerUnavailable after the time."""
    from broker.errors import BrokerUnavailable

    while True:
        try:
            return ask()
        except BrokerUnavailable:
            if time.monotonic() > deadline:
                raise
        time.sleep(RETRY_SECONDS)


def _told(what: str, made: list[str]) -> str:
    return f"{what}: {', '.join(made) or 'all there'}"
